/** When a guest began to cost, as one run of an attempt learns it: from the provider, else from what it sent. */
import type { Guest } from '../core/guest.ts';
import { type BillingInstant, credibleInstant } from '../core/ledger.ts';
import type { BilledFacts } from '../providers/provider.ts';

export interface BillingClock {
  /** The provider says since when the guest runs. */
  noteRunning(sinceMs: number): void;
  /** A step is about to be sent. */
  noteStep(name: string): void;
  createdSince(guest: Guest, billed: BilledFacts | undefined): BillingInstant;
  runningSince(): BillingInstant;
}

/** Steps from which on a guest may run; it is billed from when they were let go. */
const WAKES: ReadonlySet<string> = new Set(['boot', 'resume']);

export function createBillingClock(nowMs: () => number): BillingClock {
  const openedAtMs = nowMs();
  let saidRunningMs: number | undefined;
  let wokenAtMs: number | undefined;
  return {
    noteRunning(sinceMs) {
      saidRunningMs = sinceMs;
    },
    noteStep(name) {
      if (WAKES.has(name)) wokenAtMs = nowMs();
    },
    createdSince({ sentAtMs: askedAtMs = openedAtMs }, billed) {
      return credibleInstant(billed?.sinceMs, { askedAtMs, nowMs: nowMs(), otherwiseMs: askedAtMs });
    },
    runningSince() {
      const now = nowMs();
      const when = { askedAtMs: wokenAtMs ?? openedAtMs, nowMs: now, otherwiseMs: wokenAtMs ?? now };
      return credibleInstant(saidRunningMs, when);
    },
  };
}
