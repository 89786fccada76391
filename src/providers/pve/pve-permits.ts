/**
 * Bounded rights to what Proxmox shares badly, so that our own operations do not time out on each other's locks.
 *
 * Nobody waits for a permit while holding another: a clone's is given back when its task has ended, before the
 * boot takes the next. So no two operations can wait for each other.
 *
 * A permit is kept while its task may still run, even after we gave up on it, and across a crash: the attempt
 * that follows has the same holder. What nobody gave back is freed by whoever waits for it: at once where its
 * holder's start is over and its create was never let go, else once it is held for longer than a lease and Proxmox
 * shows neither a task nor a lock that it stands for.
 */
import type { GuestIntent } from '../../core/guest.ts';
import type { PermitHolding, PermitWant } from '../../core/ports.ts';
import type { ProviderCall } from '../provider.ts';
import { isProviderError, ProviderError } from '../provider-error.ts';
import type { PveContext } from './pve-context.ts';
import { PveError } from './pve-errors.ts';
import { readConfig } from './pve-locate.ts';

/** How many at once, and why. */
export const PERMIT_LIMITS = {
  /** Proxmox locks a container's template (`disk`) while it is cloned: the second clone is refused (facts §3). */
  clonesPerCtTemplate: 1,
  /** VM clones run in parallel, but create their disks one after the other under a lock waited for 10 s (§7). */
  vmClonesPerNode: 4,
  /** Each writes the guest's whole memory. Two keep a disk busy; more make every one of them slower (§7). */
  suspendsPerStorage: 2,
  /** A boot or a wake-up reads its image and touches its memory: four at once, then the node labours (§7). */
  bootsPerNode: 4,
  /** Every destroy takes the cluster's one lock on its user configuration, waited for 10 s (§3, §7). */
  destroysPerEndpoint: 3,
} as const;

/** Twice the slowest step between taking a permit and its task being visible: 35 s, the proxy's 30 s and some. */
const LEASE_MS = 60_000;

/** Where the use of a permit shows at Proxmox: an active task of this type, on this guest, on this node. */
export interface PermitUse {
  readonly node: string;
  readonly taskType: string;
  readonly vmid: number;
}

export function clonePermit(node: string, template: number, context: PveContext): PermitWant {
  const domain = context.options.failureDomain;
  return context.kind.path === 'lxc'
    ? { name: `${domain}:template:${template}`, limit: PERMIT_LIMITS.clonesPerCtTemplate }
    : { name: `${domain}:clones:${node}`, limit: PERMIT_LIMITS.vmClonesPerNode };
}

export function suspendPermit(storage: string, context: PveContext): PermitWant {
  const name = `${context.options.failureDomain}:suspends:${storage}`;
  return { name, limit: PERMIT_LIMITS.suspendsPerStorage };
}

export function bootPermit(node: string, context: PveContext): PermitWant {
  return { name: `${context.options.failureDomain}:boots:${node}`, limit: PERMIT_LIMITS.bootsPerNode };
}

export function destroyPermit(context: PveContext): PermitWant {
  const name = `${context.options.failureDomain}:destroys`;
  return { name, limit: PERMIT_LIMITS.destroysPerEndpoint };
}

interface Alternative {
  readonly want: PermitWant;
  readonly use: PermitUse;
}

/**
 * Takes one of the alternatives and notes what for.
 * @throws ProviderError `waiting`, `effect: 'none'`, with the place in line.
 */
export async function takePermit(
  alternatives: readonly Alternative[],
  context: PveContext,
  call: ProviderCall,
): Promise<string> {
  const wants = uniqueWants(alternatives.map(({ want }) => want));
  let answer = await context.permits.take(call.holder, wants);
  if (
    !answer.granted &&
    ((await isTurnOver(answer.oldest, alternatives, context)) ||
      (await isAbandoned(answer.oldest, context, call)))
  ) {
    await context.permits.release(answer.oldest.holder, answer.oldest.name);
    answer = await context.permits.take(call.holder, wants);
  }
  if (!answer.granted) throw mustWait(answer.place, answer.oldest, wants, context);
  const { name } = answer;
  const use = alternatives.find(({ want }) => want.name === name)?.use;
  if (use !== undefined) await context.permits.note(call.holder, name, formatUse(use));
  return name;
}

/** Holds a permit for as long as what is done under it runs at Proxmox. */
export async function withPermit<T>(
  want: PermitWant,
  use: PermitUse,
  context: PveContext,
  call: ProviderCall,
  work: () => Promise<T>,
): Promise<T> {
  const name = await takePermit([{ want, use }], context, call);
  try {
    const result = await work();
    await context.permits.release(call.holder, name);
    return result;
  } catch (error) {
    if (!mayStillRun(error)) await context.permits.release(call.holder, name);
    throw error;
  }
}

/** An abort and a lost reply leave work behind that goes on; a task that failed has ended, whatever it did. */
function mayStillRun(error: unknown): boolean {
  if (error instanceof PveError && error.task !== undefined) return false;
  return !isProviderError(error) || error.report.effect === 'unknown';
}

/** From now on the clone itself says whether the permit is in use. */
export async function noteClone(
  intent: GuestIntent,
  task: string,
  context: PveContext,
  call: ProviderCall,
): Promise<void> {
  await context.permits.note(call.holder, cloneTurnOf(intent, context), task);
}

/** The clone has ended, or never began: the next may have the template. */
export async function endCloneTurn(
  intent: GuestIntent,
  context: PveContext,
  call: ProviderCall,
): Promise<void> {
  await context.permits.release(call.holder, cloneTurnOf(intent, context));
}

function cloneTurnOf({ node = '', source }: GuestIntent, context: PveContext): string {
  return clonePermit(node, Number(source), context).name;
}

function uniqueWants(wants: readonly PermitWant[]): readonly PermitWant[] {
  return [...new Map(wants.map((want) => [want.name, want])).values()];
}

/**
 * Whoever succeeded has nothing under way. Of others only turns to clone are asked about, which belong to one kind
 * each: boots and destroys are shared by both, and those of a start at the other kind would look as if it had gone
 * elsewhere.
 */
async function isTurnOver(
  { name, holder }: PermitHolding,
  alternatives: readonly Alternative[],
  { kind, permits }: PveContext,
): Promise<boolean> {
  if (holder === '') return false;
  if (await permits.isDone(holder)) return true;
  const use = alternatives.find(({ want }) => want.name === name)?.use;
  return use?.taskType === `${kind.taskPrefix}clone` && (await permits.isOver(holder, kind.provider));
}

async function isAbandoned(
  { heldForMs, note }: PermitHolding,
  context: PveContext,
  call: ProviderCall,
): Promise<boolean> {
  if (heldForMs < (context.options.patience?.permitLeaseMs ?? LEASE_MS)) return false;
  // The note is written before anything is sent.
  if (note === undefined) return true;
  try {
    return !(await isInUse(note, context, call));
  } catch (error) {
    if (!isProviderError(error)) throw error;
    return false;
  }
}

async function isInUse(note: string, context: PveContext, call: ProviderCall): Promise<boolean> {
  if (note.startsWith('UPID:')) return context.tasks.isRunning(note, call);
  const use = parseUse(note);
  if (use === undefined) return false;
  const tasks = await context.tasks.active(use.node, use.taskType, String(use.vmid), call);
  if (tasks.length > 0) return true;
  // A container's template stays locked by clones of others too, whose tasks we may not see.
  return (
    use.taskType === 'vzclone' && (await readConfig(use.node, use.vmid, context, call))?.lock !== undefined
  );
}

function formatUse({ node, taskType, vmid }: PermitUse): string {
  return `${node} ${taskType} ${vmid}`;
}

function parseUse(note: string): PermitUse | undefined {
  const [node, taskType, vmid] = note.split(' ');
  return node && taskType && Number.isInteger(Number(vmid))
    ? { node, taskType, vmid: Number(vmid) }
    : undefined;
}

function mustWait(
  place: number,
  oldest: PermitHolding,
  wants: readonly PermitWant[],
  context: PveContext,
): ProviderError {
  const what = wants.map(({ name }) => name.slice(context.options.failureDomain.length + 1)).join(' or ');
  // Nobody holds it when it is free and somebody else's turn.
  const held =
    oldest.holder === ''
      ? ''
      : `; held longest by ${oldest.holder}, for ${Math.round(oldest.heldForMs / 1000)} s`;
  return new ProviderError({
    kind: 'waiting',
    effect: 'none',
    message: `waits for ${what}, as number ${place} in line${held}`,
    provider: context.kind.provider,
  });
}
