/**
 * Renews the provider's own TTL, our dead-man switch, and sets what may wake the guest. It sees how the guest is on
 * the way; one that was paused or woken behind our back is recorded so, as by an `inspect`.
 */
import type { Settlement } from '../../store/attempt-endings.ts';
import type { AttemptSession } from '../attempt-session.ts';
import { settleAsObserved } from '../observed-state.ts';
import { renewalOf } from '../renewal-of.ts';
import type { WorkerDeps } from '../worker-deps.ts';
import { requireGuestRef } from './guest-of.ts';

export async function configureSandbox(
  session: AttemptSession,
  { provider, nowMs }: WorkerDeps,
): Promise<Settlement> {
  const askedAtMs = nowMs();
  const untouched: Settlement = { operation: { state: 'succeeded' }, guestFate: 'carry' };
  const observed = await provider.configure?.(requireGuestRef(session), session.call);
  // An account that shows nothing may be the wrong one: absence is reconciliation's to judge, with its bounds.
  if (observed === undefined || (observed.condition !== 'running' && observed.condition !== 'paused')) {
    return untouched;
  }
  const renewed =
    observed.condition === 'running' && observed.marker !== undefined ? renewalOf(provider, askedAtMs) : {};
  return { ...settleAsObserved(observed, session.claim.sandbox, nowMs()), ...renewed };
}
