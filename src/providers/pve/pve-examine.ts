/** Looks whether an endpoint is fit for us, before anybody depends on it. Changes nothing. */

import { z } from 'zod';
import { placeGuest } from '../../core/placement.ts';
import type { Preset, PveTemplateSource } from '../../core/start-request.ts';
import type { ProviderCall } from '../provider.ts';
import { isProviderError } from '../provider-error.ts';
import { readRoom } from './pve-capacity.ts';
import type { PveContext } from './pve-context.ts';
import { readConfig } from './pve-locate.ts';
import { memoryImageBytes } from './pve-memory-room.ts';
import { commandsForToken, type NeededPrivilege, neededPrivileges } from './pve-privileges.ts';
import { versionSchema } from './pve-schemas.ts';

export interface Finding {
  readonly verdict: 'ok' | 'warning' | 'problem';
  readonly message: string;
  /** What to do about it, as commands or sentences. */
  readonly remedies?: readonly string[];
}

const permissionsSchema = z.record(z.string(), z.record(z.string(), z.unknown()));
const storagesSchema = z.array(
  z.object({ storage: z.string(), type: z.string(), avail: z.number().optional() }),
);
type Storages = z.infer<typeof storagesSchema>;

/** Where a linked clone works (facts §4, §5): of containers not on directories, of neither on thick LVM. */
const LINKED_CLONES = {
  qemu: ['dir', 'nfs', 'cifs', 'cephfs', 'lvmthin', 'zfspool', 'rbd', 'btrfs'],
  lxc: ['lvmthin', 'zfspool', 'rbd', 'btrfs'],
} as const;

export async function examine(
  context: PveContext,
  presets: readonly Preset[],
  call: ProviderCall,
): Promise<readonly Finding[]> {
  try {
    const { version } = await context.api.read('/version', versionSchema, call);
    const rights = await examineRights(version, context, call);
    const nodes = await examineNodes(context, call);
    const findings: Finding[] = [
      { verdict: 'ok', message: `Proxmox VE ${version} answers` },
      ...rights,
      ...nodes,
    ];
    for (const preset of presets) findings.push(...(await examinePreset(preset, context, call)));
    return findings;
  } catch (error) {
    if (!isProviderError(error)) throw error;
    const { message, remediation } = error.report;
    return [{ verdict: 'problem', message, ...(remediation && { remedies: [remediation] }) }];
  }
}

async function examineRights(
  version: string,
  context: PveContext,
  call: ProviderCall,
): Promise<readonly Finding[]> {
  const needed = neededPrivileges({
    major: Number(version.split('.')[0]),
    asksAgent: context.kind.path === 'qemu' && context.options.endpointUrlTemplate === undefined,
    cloudInit: context.options.firstBoot?.cloudInit !== undefined,
    setClock: context.kind.path === 'qemu' && context.options.setClock === true,
  });
  const missing: NeededPrivilege[] = [];
  for (const path of new Set(needed.map((need) => need.path))) {
    const held =
      (await context.api.read('/access/permissions', permissionsSchema, call, { path }))[path] ?? {};
    missing.push(...needed.filter((need) => need.path === path && !(need.privilege in held)));
  }
  if (missing.length === 0)
    return [{ verdict: 'ok', message: `the token has all ${needed.length} privileges it needs` }];
  const remedies = commandsForToken(needed);
  return missing.map(({ path, privilege, why }, index) => ({
    verdict: 'problem',
    message: `the token lacks ${privilege} on ${path}: ${why}`,
    // Once is enough: the commands give all of them.
    ...(index === missing.length - 1 && { remedies }),
  }));
}

async function examineNodes(context: PveContext, call: ProviderCall): Promise<readonly Finding[]> {
  const { nodes } = await readRoom(context, call);
  if (nodes.length === 0) {
    return [
      { verdict: 'problem', message: 'none of the nodes in use exists', remedies: ['Correct PVE_NODE.'] },
    ];
  }
  return nodes.map(({ node, online, cordoned, memoryMib, usedMib }): Finding => {
    if (!online) return { verdict: 'warning', message: `${node} is offline` };
    if (memoryMib === undefined)
      return { verdict: 'problem', message: `the memory of ${node} cannot be read` };
    const state = cordoned ? ', cordoned' : '';
    return { verdict: 'ok', message: `${node} has ${memoryMib} MiB, ${usedMib} MiB of them in use${state}` };
  });
}

async function examinePreset(
  { name, memoryMib, sources }: Preset,
  context: PveContext,
  call: ProviderCall,
): Promise<readonly Finding[]> {
  const templates = sources[context.kind.provider]?.templates ?? [];
  const findings: Finding[] = [];
  const usable: { readonly node: string; readonly memoryMib: number }[] = [];
  const { guests } = await readRoom(context, call);
  for (const template of templates) {
    const node = guests.find(({ vmid }) => vmid === template.vmid)?.node;
    const found = await examineTemplate(name, template, node, context, call);
    findings.push(...found);
    if (node !== undefined && !found.some(({ verdict }) => verdict === 'problem'))
      usable.push({ node, memoryMib });
  }
  if (templates.length === 0) return findings;
  const fit = await countFitting(usable, context, call);
  const message = `${name}: ${fit} more ${fit === 1 ? 'sandbox fits' : 'sandboxes fit'}`;
  return [...findings, { verdict: fit === 0 ? 'warning' : 'ok', message }];
}

async function examineTemplate(
  preset: string,
  { vmid, expectedName }: PveTemplateSource,
  node: string | undefined,
  context: PveContext,
  call: ProviderCall,
): Promise<readonly Finding[]> {
  const { command, path } = context.kind;
  const what = `${preset}: template ${vmid}`;
  const config = node === undefined ? undefined : await readConfig(node, vmid, context, call);
  if (node === undefined || config === undefined) {
    const remedies = [`Correct the preset, or make the template: ${command} template ${vmid}`];
    return [{ verdict: 'problem', message: `${what} is not there, or out of the token's sight`, remedies }];
  }
  if (!config.template) {
    const remedies = [
      `${command} template ${vmid}   # as root on ${node}; it cannot be started any more after`,
    ];
    return [{ verdict: 'problem', message: `${what} on ${node} is no template`, remedies }];
  }
  if (config.name !== expectedName) {
    return [{ verdict: 'problem', message: `${what} is called ${config.name}, not ${expectedName}` }];
  }
  const findings: Finding[] = [];
  if (config.lock !== undefined) {
    const remedies = [`${command} unlock ${vmid}   # as root on ${node}, if no clone of it runs`];
    findings.push({ verdict: 'warning', message: `${what} is locked (${config.lock})`, remedies });
  }
  const storages = await context.api.read(`/nodes/${node}/storage`, storagesSchema, call);
  const names = path === 'qemu' ? config.diskStorages : rootStorage(config.texts.rootfs);
  for (const storage of names)
    findings.push(...examineStorage(what, storage, storages, config.memoryMib, context));
  return findings.length > 0 ? findings : [{ verdict: 'ok', message: `${what} on ${node} can be cloned` }];
}

function rootStorage(rootfs: string | undefined): readonly string[] {
  const name = /^([A-Za-z][\w.-]*):/.exec(rootfs ?? '')?.[1];
  return name === undefined ? [] : [name];
}

function examineStorage(
  what: string,
  name: string,
  storages: Storages,
  memoryMib: number,
  { kind }: PveContext,
): readonly Finding[] {
  const storage = storages.find((candidate) => candidate.storage === name);
  if (storage === undefined)
    return [{ verdict: 'warning', message: `${what}: storage ${name} cannot be seen` }];
  const linkable: readonly string[] = LINKED_CLONES[kind.path];
  if (!linkable.includes(storage.type)) {
    const message = `${what} lies on ${name} (${storage.type}), where linked clones do not work`;
    return [
      {
        verdict: 'problem',
        message,
        remedies: [`Move its disk to a storage of type ${linkable.join(', ')}.`],
      },
    ];
  }
  const neededBytes = memoryImageBytes({ memoryMib });
  if (kind.path === 'lxc' || storage.avail === undefined || storage.avail >= neededBytes) return [];
  return [{ verdict: 'warning', message: `${what}: ${name} has no room for one memory image of it` }];
}

/** As many as would be started one after another. */
const COUNT_LIMIT = 1_000;

async function countFitting(
  options: readonly { readonly node: string; readonly memoryMib: number }[],
  context: PveContext,
  call: ProviderCall,
): Promise<number> {
  const { nodes } = await readRoom(context, call);
  const used = new Map(nodes.map(({ node, usedMib }) => [node, usedMib]));
  for (let count = 0; count < COUNT_LIMIT; count += 1) {
    const now = nodes.map((state) => ({ ...state, usedMib: used.get(state.node) ?? 0 }));
    const [next] = placeGuest(options, now, context.reserves).candidates;
    if (next === undefined) return count;
    used.set(next.node, (used.get(next.node) ?? 0) + next.memoryMib);
  }
  return COUNT_LIMIT;
}
