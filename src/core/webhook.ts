/** What a webhook says, and what follows from each answer to it. */
import type { ActiveAlert } from './alert.ts';
import type { SandboxState } from './sandbox.ts';
import type { SandboxView } from './views.ts';

/** The body of one delivery. Every try of the same event has the same body. */
export type WebhookEvent = SandboxChangedEvent | AlertChangedEvent;

interface EventHead {
  /** Two deliveries with one id are one event. */
  readonly id: string;
  readonly deployment: string;
  /**
   * Raised by one with every change of state of this sandbox, or with every alert that is raised or cleared,
   * beginning with 1. A gap is an event that was given up or happened while no webhook was set; one that is not
   * above the last seen is late or repeated.
   */
  readonly sequence: number;
  /** When it happened. Unix time, ms. */
  readonly atMs: number;
}

export interface AlertChangedEvent extends EventHead {
  readonly type: 'alert.raised' | 'alert.cleared';
  readonly alert: ActiveAlert;
}

export interface SandboxChangedEvent extends EventHead {
  readonly type: 'sandbox.changed';
  readonly sandboxId: string;
  /** Empty when no operation brought it about. */
  readonly operationId: string;
  /** Empty for a sandbox that is new. */
  readonly from: SandboxState | '';
  readonly to: SandboxState;
  /** The sandbox as it was right after the change. */
  readonly sandbox: SandboxView;
}

/** @param outbox the sandbox's id, or that of the outbox of alerts */
export function webhookEventId(outbox: string, sequence: number): string {
  return `${outbox}-${sequence}`;
}

export type DeliveryAnswer =
  | { readonly kind: 'answered'; readonly status: number; readonly retryAfterMs?: number }
  /** No answer: refused, reset, too slow. */
  | { readonly kind: 'unanswered'; readonly problem: string };

export type AfterDelivery =
  | { readonly step: 'settle' }
  | { readonly step: 'retry'; readonly delayMs: number; readonly reason: string }
  | { readonly step: 'give_up'; readonly reason: string };

export interface AfterDeliveryInput {
  readonly answer: DeliveryAnswer;
  /** This one included. */
  readonly tries: number;
  /** Since the event happened, waiting behind others of its sandbox included. */
  readonly ageMs: number;
}

/** A receiver that is down over night gets everything; one that is down for longer needs a person. */
export const GIVE_UP_AFTER_MS = 24 * 60 * 60_000;
/** A deploy of the receiver is bridged within seconds. */
const RETRY_BASE_MS = 1_000;
/** How late an event may be after the receiver came back. */
const RETRY_CAP_MS = 10 * 60_000;
/** A receiver may ask for patience, but not for more than this. */
const RETRY_AFTER_CAP_MS = 60 * 60_000;
/** "Gone": the receiver wants no more of it. */
const GONE = 410;

/** Every event is tried at least once, however old it has become. */
export function decideAfterDelivery({ answer, tries, ageMs }: AfterDeliveryInput): AfterDelivery {
  if (answer.kind === 'answered' && answer.status >= 200 && answer.status < 300) return { step: 'settle' };
  const reason = answer.kind === 'answered' ? `the receiver answered ${answer.status}` : answer.problem;
  if (answer.kind === 'answered' && answer.status === GONE) return { step: 'give_up', reason };
  const leftMs = GIVE_UP_AFTER_MS - ageMs;
  if (leftMs <= 0) return { step: 'give_up', reason: `${reason}; it was tried for 24 hours` };
  const backOffMs = Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** Math.min(tries - 1, 20));
  const askedMs = answer.kind === 'answered' ? Math.min(RETRY_AFTER_CAP_MS, answer.retryAfterMs ?? 0) : 0;
  // The last try comes when the time is over, not before.
  return { step: 'retry', delayMs: Math.min(Math.max(backOffMs, askedMs), leftMs), reason };
}
