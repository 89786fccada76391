/**
 * Tells the breaker and the alerts, where there are any, what succeeded. Whoever waits for the operation was told
 * before, and nothing of an attempt waits for this: what succeeds while one lot is told goes together with the next,
 * so that a busy worker asks Redis once for many. What a crash loses is a success that the next one repeats.
 */
import type { AlertKey } from '../core/alert.ts';
import type { BreakerOutcome } from '../core/breaker.ts';
import { CONFIGURATION_FAULTS } from '../core/failure.ts';
import type { Claim } from '../store/claims.ts';
import { type BreakerDeps, faultSubject, withoutFailing } from './breaker-subject.ts';

export interface SuccessTeller {
  tell(claim: Claim): void;
  /** Resolves once everything was told. */
  close(): Promise<void>;
}

interface Lot {
  /** A usable guest proves more than a pause. */
  starts: number;
  /** What the alerts that may clear are about: as many as there are presets, at most. */
  readonly subjects: Set<string>;
}

export function createSuccessTeller(deps: BreakerDeps): SuccessTeller {
  const { provider } = deps;
  let lot: Lot | undefined;
  let telling: Promise<void> | undefined;

  async function tellAll(): Promise<void> {
    // Each turn takes what came during the one before.
    while (lot !== undefined) {
      const next = lot;
      lot = undefined;
      await withoutFailing(deps, (nowMs) => tellLot(deps, next, nowMs));
    }
    telling = undefined;
  }

  return {
    tell({ operation, sandbox }) {
      const { kind } = operation;
      if (kind !== 'start' && kind !== 'pause' && kind !== 'resume') return;
      lot ??= { starts: 0, subjects: new Set() };
      lot.subjects.add(faultSubject(provider.name, operation, sandbox?.request.preset));
      if (kind === 'start') lot.starts += 1;
      telling ??= tellAll();
    },
    async close() {
      await telling;
    },
  };
}

async function tellLot(
  { store, provider }: BreakerDeps,
  { starts, subjects }: Lot,
  nowMs: number,
): Promise<void> {
  const faults = [...subjects].flatMap((subject) =>
    Object.values(CONFIGURATION_FAULTS).map((name): AlertKey => ({ name, subject })),
  );
  const outcome: BreakerOutcome = starts > 0 ? { result: 'usable', count: starts } : { result: 'completed' };
  await Promise.all([
    store.breakers.record(provider.failureDomain, outcome, nowMs),
    store.alerts.clearAll(faults, nowMs),
  ]);
}
