/**
 * The clock of a VM that slept: it goes on from where it stood, and Proxmox's API has no `guest-set-time`.
 * Through the guest's agent it is read, and set where that is wanted (`PVE_SET_CLOCK`): running a program in
 * guests needs a right that not everybody wants to give. What the guest's own time daemon does is left to it.
 */
import type { ClockReport } from '../../core/reconnect.ts';
import type { ProviderCall } from '../provider.ts';
import { isProviderError } from '../provider-error.ts';
import { pollUntil } from '../wait.ts';
import type { PveContext } from './pve-context.ts';
import { guestPath, type Place } from './pve-place.ts';
import { agentExecSchema, agentExecStatusSchema, agentTimeSchema } from './pve-schemas.ts';

/** What `date -s` can do: it takes whole seconds, and the agent takes a moment to start it. */
const RIGHT_WITHIN_MS = 2_000;
/**
 * For all of it together: `date` takes milliseconds, and a guest that has just woken may have much to do.
 * Whoever waits for the resume has a usable guest meanwhile.
 */
const CLOCK_TIMEOUT_MS = 10_000;

/**
 * Never fails a resume: what could not be read is `unknown`, and what could not be set is not right.
 * @throws the abort reason when the call itself is aborted
 */
export async function rightClock(
  place: Place,
  context: PveContext,
  outer: ProviderCall,
): Promise<ClockReport> {
  const { setClock: isWanted, clockTimeoutMs = CLOCK_TIMEOUT_MS } = context.options;
  if (isWanted !== true) return 'unknown';
  const bound = AbortSignal.timeout(clockTimeoutMs);
  const call: ProviderCall = { ...outer, signal: AbortSignal.any([outer.signal, bound]) };

  async function unlessRefused<T>(work: Promise<T>): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      if (isProviderError(error) || error === bound.reason) return undefined;
      throw error;
    }
  }

  const behindMs = await unlessRefused(readBehind(place, context, call));
  if (behindMs === undefined) return 'unknown';
  if (Math.abs(behindMs) < RIGHT_WITHIN_MS) return { behindMs, isRight: true };
  await unlessRefused(setClock(place, context, call));
  // The clock itself tells best what came of it.
  const leftMs = await unlessRefused(readBehind(place, context, call));
  return { behindMs, isRight: leftMs !== undefined && Math.abs(leftMs) < RIGHT_WITHIN_MS };
}

/** Against the clock of this process, which is to be kept on NTP (docs/guarantees.md). */
async function readBehind(place: Place, context: PveContext, call: ProviderCall): Promise<number> {
  const { result } = await context.api.read(agentPath(place, context, 'get-time'), agentTimeSchema, call);
  return Math.round(nowMs(context) - result / 1_000_000);
}

async function setClock(place: Place, context: PveContext, call: ProviderCall): Promise<void> {
  const { pid } = await context.api.change(
    {
      step: 'set-clock',
      method: 'POST',
      path: agentPath(place, context, 'exec'),
      params: { command: ['date', '-s', `@${Math.round(nowMs(context) / 1_000)}`] },
    },
    agentExecSchema,
    call,
  );
  const path = agentPath(place, context, 'exec-status');
  await pollUntil(
    async () => (await context.api.read(path, agentExecStatusSchema, call, { pid })).exited || undefined,
    { signal: call.signal, timeoutMs: CLOCK_TIMEOUT_MS },
  );
}

function agentPath({ node, vmid }: Place, context: PveContext, command: string): string {
  return `${guestPath(context.kind, node, vmid)}/agent/${command}`;
}

function nowMs({ options }: PveContext): number {
  return (options.nowMs ?? Date.now)();
}
