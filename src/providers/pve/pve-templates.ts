/** Which templates of a preset can be cloned from now, and what was wrong with the others. */
import type { PlacementOption } from '../../core/placement.ts';
import type { PveTemplateSource } from '../../core/start-request.ts';
import type { ProviderCall } from '../provider.ts';
import { isProviderError, ProviderError } from '../provider-error.ts';
import type { ClusterRoom } from './pve-capacity.ts';
import type { PveContext } from './pve-context.ts';
import { chooseChannel } from './pve-first-boot.ts';
import { readConfig } from './pve-locate.ts';
import type { GuestConfig, ResourceRow } from './pve-schemas.ts';
import { unlockTemplate } from './pve-template-rotation.ts';

export interface UsableTemplate extends PlacementOption {
  readonly vmid: number;
}

/**
 * The templates that are what the preset says they are, beginning at a place that depends on the guest id, so
 * that identical templates share the load; those under a lock come last.
 * @param memoryMib what the guest is to have; absent: what its template has
 * @throws ProviderError `source_missing` when none is left.
 */
export async function findTemplates(
  guestId: string,
  sources: readonly PveTemplateSource[],
  memoryMib: number | undefined,
  { nodes, guests }: ClusterRoom,
  context: PveContext,
  call: ProviderCall,
): Promise<readonly UsableTemplate[]> {
  const first = sources.length === 0 ? 0 : Number.parseInt(guestId.slice(-4), 16) % sources.length || 0;
  const usable: { readonly template: UsableTemplate; readonly locked: boolean }[] = [];
  const problems: string[] = [];
  const remedies: string[] = [];
  let unreachable: unknown;
  for (const source of [...sources.slice(first), ...sources.slice(0, first)]) {
    try {
      const row = guests.find((guest) => guest.vmid === source.vmid);
      if (nodes.some(({ node, online }) => node === row?.node && !online)) throw nodeOffline(row, context);
      const found = await findTemplate(source, row, context, call);
      if ('problem' in found) {
        problems.push(found.problem);
        if (found.remediation !== undefined) remedies.push(found.remediation);
        continue;
      }
      const { vmid, node, config } = found;
      const template = { vmid, node, memoryMib: memoryMib ?? config.memoryMib };
      usable.push({ template, locked: config.lock !== undefined });
    } catch (error) {
      // One node that is down does not hide a template on another.
      if (!isProviderError(error) || error.report.kind !== 'unreachable') throw error;
      unreachable = error;
    }
  }
  if (usable.length > 0) {
    return usable.toSorted((a, b) => Number(a.locked) - Number(b.locked)).map(({ template }) => template);
  }
  throw unreachable ?? noTemplate(problems, remedies, context);
}

type Finding =
  | { readonly vmid: number; readonly node: string; readonly config: GuestConfig }
  | { readonly problem: string; readonly remediation?: string };

async function findTemplate(
  { vmid, expectedName }: PveTemplateSource,
  // Where a guest lies is never old in this list (facts §6).
  row: ResourceRow | undefined,
  context: PveContext,
  call: ProviderCall,
): Promise<Finding> {
  const config = row === undefined ? undefined : await readConfig(row.node, vmid, context, call);
  if (row === undefined || config === undefined) {
    const where = context.options.nodes?.join(', ') ?? 'of the cluster';
    return { problem: `template ${vmid} is on none of the nodes ${where} that our token can see` };
  }
  const { node } = row;
  if (!config.template) return { problem: `${vmid} on ${node} is no template` };
  const name = config.name ?? 'nameless';
  if (name !== expectedName) return { problem: `template ${vmid} is called ${name}, not ${expectedName}` };
  const missing = await missingHookscript(vmid, node, config, context, call);
  if (missing !== undefined) return missing;
  const { kind } = context;
  const hasTask = async () =>
    (await context.tasks.active(node, `${kind.taskPrefix}clone`, String(vmid), call)).length > 0;
  if (await context.templates.admits({ vmid, node, name, lock: config.lock }, hasTask)) {
    return { vmid, node, config };
  }
  return {
    problem: `template ${vmid} on ${node} stays locked (${config.lock})`,
    remediation: unlockTemplate(kind.command, vmid, node),
  };
}

/** Without it nobody would read the line that holds the exec token, and every call would be refused (pain 23). */
async function missingHookscript(
  vmid: number,
  node: string,
  config: GuestConfig,
  context: PveContext,
  call: ProviderCall,
): Promise<Finding | undefined> {
  const { kind, options } = context;
  if (kind.path !== 'lxc' || options.firstBoot?.descriptionLine === undefined) return undefined;
  if (config.hookscript !== undefined || (await chooseChannel(context.api, call)) === 'env') return undefined;
  return {
    problem: `template ${vmid} on ${node} has no hookscript, and this Proxmox VE needs one to hand over the token`,
    remediation: `pct set ${vmid} --hookscript local:snippets/cmux-lxc-execd-token-hook.sh   # as root on ${node}`,
  };
}

/** Not asked: a node that is cut off answers after 30 s, with nothing. */
function nodeOffline(row: ResourceRow | undefined, { kind }: PveContext): ProviderError {
  return new ProviderError({
    kind: 'unreachable',
    effect: 'none',
    message: `node ${row?.node}, which has template ${row?.vmid}, is offline`,
    provider: kind.provider,
  });
}

function noTemplate(
  problems: readonly string[],
  remedies: readonly string[],
  context: PveContext,
): ProviderError {
  return new ProviderError({
    kind: 'source_missing',
    effect: 'none',
    message: problems.join('; ') || `the preset has no template for ${context.kind.provider}`,
    remediation:
      remedies.join('; ') ||
      'Correct the templates of the preset (VMID and expectedName), or PVE_NODE; VMIDs get reused.',
    provider: context.kind.provider,
  });
}
