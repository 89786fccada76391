/** Where a start may go on: what of its route was not tried yet, and can be afforded. */
import { affordable, type Room, roomFor } from '../core/budget-room.ts';
import type { Attempt, LeftOut } from '../core/operation.ts';
import type { ProviderName } from '../core/provider-name.ts';
import type { Claim } from '../store/claims.ts';
import type { Store } from '../store/store.ts';

export interface Candidate {
  readonly provider: ProviderName;
  /** Its breaker is closed. */
  readonly works: boolean;
}

export interface Remaining {
  /** Those that work first, and in the route's order otherwise. */
  readonly candidates: readonly Candidate[];
  /** What no budget has room for. */
  readonly leftOut: readonly LeftOut[];
  /** What an attempt there takes of the budgets; `undefined` without any. */
  roomFor(provider: ProviderName): Room | undefined;
}

const NOWHERE: Remaining = { candidates: [], leftOut: [], roomFor: () => undefined };

export async function remainingCandidates(
  store: Store,
  { operation, sandbox }: Pick<Claim, 'operation' | 'sandbox'>,
  nowMs: number,
): Promise<Remaining> {
  const { route, attempts, reserved } = operation;
  const tried = new Set(attempts.map(({ provider }: Attempt) => provider));
  const left = route.candidates.filter((provider) => !tried.has(provider));
  const view = left.length === 0 ? undefined : await store.deployment.view();
  if (view === undefined)
    return left.length === 0 ? NOWHERE : { ...NOWHERE, candidates: left.map(assumeWorking) };

  const start = { preset: sandbox?.request.preset, teamId: sandbox?.request.teamId, reserved };
  const { candidates, leftOut } = affordable(left, start, view.spending, nowMs);
  const judged = candidates.map((provider): Candidate => {
    const status = view.statuses.find((candidate) => candidate.provider === provider);
    return { provider, works: status === undefined || status.breaker === 'closed' };
  });
  return {
    candidates: judged.toSorted((a, b) => Number(b.works) - Number(a.works)),
    leftOut,
    roomFor: (provider) => roomFor(provider, left, start, view.spending, nowMs),
  };
}

function assumeWorking(provider: ProviderName): Candidate {
  return { provider, works: true };
}
