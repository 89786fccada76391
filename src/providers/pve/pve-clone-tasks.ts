/**
 * Which clone task makes which guest. A clone task carries the VMID of its source; the guest it makes is named
 * only in the first line of its log, `creating a clone of VM 9000 with ID 20001`, and only by 9.x (facts §9).
 */
import type { ProviderCall } from '../provider.ts';
import type { PveContext } from './pve-context.ts';
import { isRefusal } from './pve-errors.ts';

/** `maybe`: clones run that do not say what they make. */
export type CloneSighting =
  | { readonly kind: 'running'; readonly task: string }
  | { readonly kind: 'maybe' }
  | { readonly kind: 'none' };

/** More clones at a time than storage locks let through on one node. */
const CLONES_READ = 20;

export async function findClone(
  place: { readonly node: string; readonly vmid: number },
  /** The template, where it is known; otherwise every clone on the node is considered. */
  source: string | undefined,
  context: PveContext,
  call: ProviderCall,
): Promise<CloneSighting> {
  const clones = await context.tasks.active(place.node, `${context.kind.taskPrefix}clone`, source, call);
  let silent = clones.length > CLONES_READ;
  for (const { upid } of clones.slice(0, CLONES_READ)) {
    const target = await readTarget(upid, context, call);
    if (target === place.vmid) return { kind: 'running', task: upid };
    if (target === undefined) silent = true;
  }
  return { kind: silent ? 'maybe' : 'none' };
}

async function readTarget(
  upid: string,
  context: PveContext,
  call: ProviderCall,
): Promise<number | undefined> {
  try {
    const lines = await context.tasks.firstLogLines(upid, call);
    const target = lines.map((line) => /with ID (\d+)/.exec(line)?.[1]).find((id) => id !== undefined);
    return target === undefined ? undefined : Number(target);
  } catch (error) {
    if (isRefusal(error, 'no_such_task', 'forbidden')) return undefined;
    throw error;
  }
}
