import type { Sandbox } from '../core/sandbox.ts';
import type { GuestObservation } from '../providers/provider.ts';
import type { Settlement } from '../store/attempt-endings.ts';

type Observed = Pick<Settlement, 'sandbox' | 'guestFate' | 'isOff'>;

/** Brings the record in line with what was seen, and says who moved the sandbox as far as the provider tells. */
export function settleAsObserved(
  observed: GuestObservation,
  sandbox: Pick<Sandbox, 'state' | 'preservesRam'> | undefined,
  nowMs: number,
): Settlement {
  const { cause, since } = explainMove(observed, sandbox, nowMs);
  const found = stateFromObservation(observed, cause);
  const operation = { state: 'succeeded' as const };
  if (found === undefined || isAsRecorded(found, sandbox)) return { operation, guestFate: 'carry' };
  return { operation, ...found, ...(since ? { since } : {}) };
}

/** Then there is nothing to write: a state that is written anew counts as a change, from which idleness is counted. */
export function isAsRecorded(
  { sandbox: found }: Pick<Settlement, 'sandbox'>,
  sandbox: Pick<Sandbox, 'state' | 'preservesRam'> | undefined,
): boolean {
  return found?.state === sandbox?.state && found?.preservesRam === sandbox?.preservesRam;
}

/**
 * `provider_ttl`: it was recorded as running, and its TTL at the provider is over; it paused no sooner than that.
 * `provider_wake`: it was recorded as paused, and traffic may wake it.
 */
function explainMove(
  { condition, detail, pausesAtMs, wakesByItself }: GuestObservation,
  sandbox: Pick<Sandbox, 'state'> | undefined,
  nowMs: number,
): { readonly cause: string } & Pick<Settlement, 'since'> {
  if (
    condition === 'paused' &&
    sandbox?.state === 'running' &&
    pausesAtMs !== undefined &&
    pausesAtMs <= nowMs
  ) {
    return { cause: 'provider_ttl', since: { atMs: pausesAtMs, evidence: 'provider' } };
  }
  if (condition === 'running' && sandbox?.state === 'paused' && wakesByItself === true) {
    return { cause: 'provider_wake' };
  }
  return { cause: `found at the provider: ${detail}` };
}

/** What a sandbox is, judged by its guest alone; `undefined` when the provider's word does not say. */
export function stateFromObservation(
  { condition, remediation, runs }: GuestObservation,
  cause: string,
): Observed | undefined {
  switch (condition) {
    case 'gone':
      return { sandbox: { state: 'lost', cause }, guestFate: 'gone' };
    case 'running':
      return { sandbox: { state: 'running', cause }, guestFate: 'keep' };
    case 'paused':
      return { sandbox: { state: 'paused', cause, preservesRam: true }, guestFate: 'keep' };
    case 'stopped':
      return { sandbox: { state: 'paused', cause: 'guest_stopped', preservesRam: false }, guestFate: 'keep' };
    case 'stuck':
      return {
        sandbox: { state: 'stuck', cause, ...(remediation === undefined ? {} : { remediation }) },
        guestFate: 'keep',
        isOff: runs === false,
      };
    case 'creating':
    case 'pausing':
    case 'unknown':
      return undefined;
  }
}
