/**
 * What the system may do by itself to sandboxes that nobody asked it to touch. Sweeps that pause, expire or
 * destroy read the state once per pass and ask `whyNotAutomatic` for each sandbox; what a caller asked for is
 * never held back by it.
 */
import type { Sandbox } from './sandbox.ts';

/**
 * `normal`. `off`: an operator, or the configuration, switched automatic destruction off; pauses go on.
 * `observing`: the registry may be out of date (restored from a dump, or everything was down for long), and
 * every sandbox has yet to be asked for and watched for a while. `adopt_only`: guests of ours were met that
 * this registry knows nothing of, so it is not the whole truth, until an operator confirms that it is.
 */
export type AutomationMode = 'normal' | 'off' | 'observing' | 'adopt_only';

export interface Automation {
  readonly mode: AutomationMode;
  /** One sentence for people; empty while `normal`. */
  readonly reason: string;
  /** The switch by itself, which the other two modes outrank. */
  readonly destruction: 'on' | 'off';
  /** Records from before this moment may be out of date: the registry was lost, restored or long alone. */
  readonly distrustBeforeMs?: number;
  /** When an operator last said that the registry is right as it is. */
  readonly confirmedAtMs?: number;
}

export type AutomaticAction = 'pause' | 'destroy';

/** Why nothing automatic may do this now, as one sentence; `undefined`: it may. */
export function whyNotAutomatic(
  action: AutomaticAction,
  automation: Automation,
  sandbox?: Pick<Sandbox, 'restoredAtMs'>,
): string | undefined {
  const { mode, reason, destruction, confirmedAtMs = Number.NEGATIVE_INFINITY } = automation;
  if (mode === 'adopt_only' || mode === 'observing') return reason;
  if (action === 'pause') return undefined;
  if (destruction === 'off') return reason;
  const { restoredAtMs } = sandbox ?? {};
  if (restoredAtMs === undefined || restoredAtMs <= confirmedAtMs) return undefined;
  return 'it was restored from its marker, and no operator has confirmed it yet';
}

/** What may become of a guest that the registry calls condemned. */
export type DiscardVerdict =
  | { readonly verdict: 'discard' }
  | { readonly verdict: 'wait'; readonly reason: string }
  /** Left alone and shown as unowned: the word against it rests on records that may be out of date. */
  | { readonly verdict: 'disown'; readonly reason: string };

/**
 * A condemnation is final, so one from before the registry came into doubt is still right. One from after it is
 * right about guests that were asked for since. But of a guest that was asked for before, and condemned after,
 * the registry may have forgotten that it came up and somebody works in it.
 */
export function decideDiscard(
  { sentAtMs, condemnedAtMs }: { readonly sentAtMs?: number; readonly condemnedAtMs?: number },
  { mode, destruction, reason, distrustBeforeMs }: Automation,
): DiscardVerdict {
  const isDoubtful =
    distrustBeforeMs !== undefined &&
    sentAtMs !== undefined &&
    sentAtMs < distrustBeforeMs &&
    (condemnedAtMs === undefined || condemnedAtMs >= distrustBeforeMs);
  if (isDoubtful) {
    return {
      verdict: 'disown',
      reason: 'it was condemned on the word of records from before the registry was lost or restored',
    };
  }
  if (destruction === 'off' || mode === 'observing') return { verdict: 'wait', reason };
  return { verdict: 'discard' };
}

/** A twentieth of a provider's guests, and always a few, so that small installations are cleared up too. */
const BRAKE_SHARE = 0.05;
const BRAKE_LEAST = 3;

/** How many of a provider's guests may be destroyed, or found lost, by the system itself within an hour. */
export function brakeLimit(inventorySize: number): number {
  return Math.max(BRAKE_LEAST, Math.floor(inventorySize * BRAKE_SHARE));
}
