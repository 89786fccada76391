/** Decides what a guest is cloned from, on which node and under which VMID. Changes nothing at Proxmox. */
import type { GuestIntent } from '../../core/guest.ts';
import { VmidRangeExhausted } from '../../core/ports.ts';
import type { PveTemplateSource } from '../../core/start-request.ts';
import type { GuestSpec, ProviderCall } from '../provider.ts';
import { isProviderError, ProviderError } from '../provider-error.ts';
import type { PveContext } from './pve-context.ts';
import { isVmidFree, locate, readConfig } from './pve-locate.ts';

export async function prepare(
  spec: GuestSpec,
  templates: readonly PveTemplateSource[],
  context: PveContext,
  call: ProviderCall,
): Promise<GuestIntent> {
  const { template, node } = await findTemplate(spec.guestId, templates, context, call);
  const vmid = await reserveVmid(spec.guestId, node, context, call);
  return {
    provider: context.kind.provider,
    guestId: spec.guestId,
    failureDomain: context.options.failureDomain,
    source: String(template.vmid),
    node,
    vmid,
    marker: { ...spec.marker, vmid },
    metadata: spec.metadata,
  };
}

interface ChosenTemplate {
  readonly template: PveTemplateSource;
  readonly node: string;
}

/**
 * The first template that is what the preset says it is, beginning at a place that depends on the guest id,
 * so that identical templates share the load. A linked clone stays on its template's node.
 */
async function findTemplate(
  guestId: string,
  templates: readonly PveTemplateSource[],
  context: PveContext,
  call: ProviderCall,
): Promise<ChosenTemplate> {
  const first = templates.length === 0 ? 0 : Number.parseInt(guestId.slice(-4), 16) % templates.length || 0;
  const problems: string[] = [];
  for (const template of [...templates.slice(first), ...templates.slice(0, first)]) {
    const found = await findNodeOf(template, context, call);
    if (found.problem === undefined) return { template, node: found.node };
    problems.push(found.problem);
  }
  throw new ProviderError({
    kind: 'source_missing',
    effect: 'none',
    message: problems.join('; ') || `the preset has no template for ${context.kind.provider}`,
    remediation:
      'Correct the templates of the preset (VMID and expectedName), or PVE_NODE; VMIDs get reused.',
    provider: context.kind.provider,
  });
}

type TemplateFinding = { readonly node: string; readonly problem?: never } | { readonly problem: string };

async function findNodeOf(
  template: PveTemplateSource,
  context: PveContext,
  call: ProviderCall,
): Promise<TemplateFinding> {
  let unreachable: unknown;
  for (const node of context.options.nodes) {
    try {
      const config = await readConfig(node, template.vmid, context, call);
      if (config === undefined) continue;
      if (!config.template) return { problem: `${template.vmid} on ${node} is no template` };
      if (config.name === template.expectedName) return { node };
      const name = config.name ?? 'nameless';
      return { problem: `template ${template.vmid} is called ${name}, not ${template.expectedName}` };
    } catch (error) {
      // One node that is down does not hide a template on another.
      if (!isProviderError(error) || error.report.kind !== 'unreachable') throw error;
      unreachable = error;
    }
  }
  if (unreachable !== undefined) throw unreachable;
  return { problem: `template ${template.vmid} is on none of the nodes ${context.options.nodes.join(', ')}` };
}

/** Ids of our own range that others sit on; more in a row mean that the range is not ours. */
const VMID_TRIES = 20;

async function reserveVmid(
  guestId: string,
  node: string,
  context: PveContext,
  call: ProviderCall,
): Promise<number> {
  for (let tries = 0; tries < VMID_TRIES; tries += 1) {
    const vmid = await reserve(guestId, context);
    if (await isVmidFree(vmid, context, call)) return vmid;
    // Prepared and created before, by an attempt that this one carries on.
    const located = await locate({ guestId, vmid, node }, context, call);
    if (located.kind === 'found' && located.identity.kind !== 'foreign') return vmid;
    await context.vmids.reject(guestId, vmid);
  }
  throw rangeUsedUp(`${VMID_TRIES} VMIDs of the range in a row are taken by others`, context);
}

async function reserve(guestId: string, context: PveContext): Promise<number> {
  try {
    return await context.vmids.reserve(guestId);
  } catch (error) {
    if (error instanceof VmidRangeExhausted) throw rangeUsedUp(error.message, context);
    throw error;
  }
}

function rangeUsedUp(message: string, context: PveContext): ProviderError {
  return new ProviderError({
    kind: 'over_capacity',
    effect: 'none',
    message,
    remediation: 'Widen the VMID range, or choose one that nobody else uses.',
    provider: context.kind.provider,
  });
}
