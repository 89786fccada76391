/** What will become of a sandbox that nobody uses: the verdict of a look just now, and whether it would count. */
import type { ActivityHold } from './activity.ts';
import type { IdleMode, Threshold } from './idle-policy.ts';
import type { Observed } from './idle-receipt.ts';
import type { IdleRuleName, IdleVerdict } from './idleness.ts';

export interface IdleOutlook {
  /** One sentence for a person. */
  readonly summary: string;
  /** What really happens: `shadow` while `enforce` has yet to be earned. */
  readonly mode: IdleMode;
  /** Why nothing happens although the mode says `enforce`, or why that is held back. */
  readonly heldBack?: string;
  readonly verdict: IdleVerdict['verdict'];
  readonly rule: IdleRuleName;
  readonly reason: string;
  /** What was observed when, the newest first. */
  readonly observed: readonly Observed[];
  /** Who holds it awake. */
  readonly heldBy: readonly ActivityHold[];
  readonly threshold: Threshold;
  /** When it is, or in shadow mode would be, suspended if nothing happens; absent: never, or that cannot be said. */
  readonly suspendAtMs?: number;
  /** When the sweep last looked; absent: it has not yet. */
  readonly lookedAtMs?: number;
}

export interface OutlookInput {
  readonly verdict: IdleVerdict;
  readonly mode: IdleMode;
  readonly heldBack?: string;
  readonly lookedAtMs?: number;
}

export function outlookOn({ verdict: judged, mode, heldBack, lookedAtMs }: OutlookInput): IdleOutlook {
  const { verdict, rule, reason, observed, heldBy, threshold, suspendAtMs } = judged;
  const isComing = mode !== 'off' && suspendAtMs !== undefined;
  return {
    summary: `${reason}; ${whatFollows(judged, mode, heldBack)}`,
    mode,
    ...(heldBack === undefined ? {} : { heldBack }),
    ...{ verdict, rule, reason, observed, heldBy, threshold },
    ...(isComing ? { suspendAtMs } : {}),
    ...(lookedAtMs === undefined ? {} : { lookedAtMs }),
  };
}

function whatFollows(
  { verdict, suspendAtMs }: IdleVerdict,
  mode: IdleMode,
  heldBack: string | undefined,
): string {
  if (mode === 'off') return 'nothing suspends idle sandboxes here (IDLE_MODE=off)';
  if (suspendAtMs === undefined) return verdict === 'exempt' ? 'it is left alone' : 'it stays awake';
  const when = verdict === 'suspend' ? 'with the next look' : `at ${new Date(suspendAtMs).toISOString()}`;
  const unless = verdict === 'suspend' ? '' : ' if nothing happens';
  if (mode === 'shadow') return `shadow mode would suspend it ${when}${unless}, and only counts it`;
  if (heldBack !== undefined) return `it would be suspended ${when}${unless}, but ${heldBack}`;
  return `it is suspended ${when}${unless}`;
}
