/**
 * What the metrics count of each event. The counts are raised in the transaction that writes the event, so that
 * they are right whichever process did it and whoever restarted since; `docs/decisions` says why. A measure is
 * one text, `<name>|<label>|…`; every label comes from a small closed set.
 */
import type { LifecycleEventName, LifecycleEvents } from './events.ts';

export interface Increment {
  readonly measure: string;
  readonly by: number;
}

/** Upper bounds of the duration histogram: containers start below a second, a stuck clone takes ten minutes. */
export const DURATION_BUCKETS_SECONDS = [
  0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 90, 120, 300, 600,
] as const;

/** Indexes that are repaired from their records (`store/healing.ts`); each repair is counted as `healed|<index>`. */
export const HEALED_INDEXES = [
  'sandboxes:current',
  'sandboxes:ended',
  'sandboxes:counts',
  'idle:due',
  'idle:upcoming',
  'expiry:due',
  'retention:due',
  'operations:due',
  'guests:of',
  'guests:condemned',
  'guests:unowned',
  'vmids',
] as const;

export function measuresOf<N extends LifecycleEventName>(
  name: N,
  event: LifecycleEvents[N],
): readonly Increment[] {
  switch (name) {
    case 'attempt.failed': {
      const { provider, outcome, kind } = event as LifecycleEvents['attempt.failed'];
      return [{ measure: `attempts|${provider}|${outcome}|${kind}`, by: 1 }];
    }
    case 'operation.settled':
      return measuresOfSettlement(event as LifecycleEvents['operation.settled']);
    case 'guest.condemned':
      return [{ measure: `condemned|${(event as LifecycleEvents['guest.condemned']).provider}`, by: 1 }];
    default:
      return [];
  }
}

function measuresOfSettlement({
  kind,
  state,
  provider,
  lastAttempt,
  durationMs,
}: LifecycleEvents['operation.settled']): readonly Increment[] {
  const increments: Increment[] = [{ measure: `operations|${kind}|${state}`, by: 1 }];
  if (provider === '') return increments;
  // A failed one was counted with its failure kind when it failed.
  if (lastAttempt !== '' && lastAttempt !== 'failed') {
    increments.push({ measure: `attempts|${provider}|${lastAttempt}|none`, by: 1 });
  }
  if (state === 'succeeded') {
    const duration = `duration|${kind}|${provider}`;
    increments.push(
      { measure: `${duration}|${bucketOf(durationMs)}`, by: 1 },
      { measure: `${duration}|sumMs`, by: Math.max(0, Math.round(durationMs)) },
    );
  }
  return increments;
}

/** The bucket that a duration falls into; each is kept by itself, and summed up when it is read. */
function bucketOf(durationMs: number): string {
  const bound = DURATION_BUCKETS_SECONDS.find((seconds) => durationMs <= seconds * 1_000);
  return bound === undefined ? 'Inf' : String(bound);
}
