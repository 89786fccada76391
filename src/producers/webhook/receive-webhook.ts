/**
 * `cmux-lifecycle/webhook`: what a receiver needs. It uses WebCrypto and nothing of Node, so that it runs in a
 * Convex HTTP action as it is.
 *
 * Answer 2xx once the event is stored; everything else is sent again for 24 h, but for 410, which gives it up.
 * Events of one sandbox come in order, one at a time. The same event may come twice: leave out what has a
 * `sequence` that is not above the last one stored for its `sandboxId`; alerts count in a sequence of their own.
 */
import type { WebhookEvent } from '../../core/webhook.ts';
import {
  ID_HEADER,
  SIGNATURE_HEADER,
  TIMESTAMP_HEADER,
  verifyContent,
} from '../../platform/webhook-signature.ts';

export type { SandboxState } from '../../core/sandbox.ts';
export type { SandboxView } from '../../core/views.ts';
export type { AlertChangedEvent, SandboxChangedEvent, WebhookEvent } from '../../core/webhook.ts';

export type WebhookErrorCode = 'missing_header' | 'bad_timestamp' | 'bad_signature' | 'bad_body';

/** The request is not ours, or not fresh: answer 400 or 401 and store nothing. */
export class WebhookError extends Error {
  override readonly name = 'WebhookError';
  readonly code: WebhookErrorCode;

  constructor(code: WebhookErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export interface VerifyWebhookOptions {
  /** Any one that matches is enough: give both while a secret is being rotated. */
  readonly secrets: readonly string[];
  /** How far the sender's clock may be from ours; older requests are replays. Default five minutes. */
  readonly toleranceMs?: number;
  readonly nowMs?: number;
}

export interface WebhookRequest {
  readonly headers: { get(name: string): string | null };
  /** The body as it came, byte for byte: parsed and written again it has another signature. */
  readonly body: string;
}

const DEFAULT_TOLERANCE_MS = 5 * 60_000;

/** @throws `WebhookError`; whatever it returns was signed with one of the secrets and is fresh. */
export async function verifyWebhook(
  { headers, body }: WebhookRequest,
  { secrets, toleranceMs = DEFAULT_TOLERANCE_MS, nowMs = Date.now() }: VerifyWebhookOptions,
): Promise<WebhookEvent> {
  const header = (name: string) => {
    const value = headers.get(name);
    if (value === null) throw new WebhookError('missing_header', `the header ${name} is missing`);
    return value;
  };
  const [id, timestamp, signature] = [header(ID_HEADER), header(TIMESTAMP_HEADER), header(SIGNATURE_HEADER)];
  if (!/^\d{1,12}$/.test(timestamp)) {
    throw new WebhookError('bad_timestamp', `${TIMESTAMP_HEADER} is no Unix time in seconds`);
  }
  if (Math.abs(nowMs - Number(timestamp) * 1_000) > toleranceMs) {
    throw new WebhookError('bad_timestamp', `${TIMESTAMP_HEADER} is too far from the time here`);
  }
  if (secrets.length === 0 || !(await verifyContent({ id, timestamp, body }, signature, secrets))) {
    throw new WebhookError('bad_signature', 'no signature was made with a secret that is known here');
  }
  return parseEvent(body, id);
}

/** Signed means that we wrote it: only what the header says twice is checked. */
function parseEvent(body: string, id: string): WebhookEvent {
  try {
    const event = JSON.parse(body) as WebhookEvent;
    if (event.id === id && typeof event.sequence === 'number') return event;
  } catch {
    // Answered as what it is, below.
  }
  throw new WebhookError('bad_body', 'the body is no event with the id of the header');
}
