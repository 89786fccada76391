/** One POST to the receiver. Whatever comes of it is an answer, never an exception. */
import type { DeliveryAnswer, WebhookEvent } from '../../core/webhook.ts';
import {
  ID_HEADER,
  SIGNATURE_HEADER,
  signContent,
  TIMESTAMP_HEADER,
} from '../../platform/webhook-signature.ts';

export interface WebhookTarget {
  /** May hold a token in its path or query: secret. */
  readonly url: string;
  /** Each signs every event: two while a secret is being rotated. */
  readonly secrets: readonly string[];
}

/** A receiver stores one event within milliseconds; a Convex action that starts cold takes a second or two. */
export const REQUEST_TIMEOUT_MS = 10_000;

export async function sendEvent(
  event: WebhookEvent,
  { url, secrets }: WebhookTarget,
  options: { readonly nowMs: number; readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<DeliveryAnswer> {
  const body = JSON.stringify(event);
  const timestamp = String(Math.floor(options.nowMs / 1_000));
  const signature = await signContent({ id: event.id, timestamp, body }, secrets);
  try {
    const response = await fetch(url, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        'user-agent': 'cmux-lifecycle',
        [ID_HEADER]: event.id,
        [TIMESTAMP_HEADER]: timestamp,
        [SIGNATURE_HEADER]: signature,
      },
      // A redirect would send a signed event to an address that nobody configured.
      redirect: 'manual',
      signal: AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]),
    });
    // The answer's text is of no interest, and reading it could take for ever.
    await response.body?.cancel();
    const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'));
    return {
      kind: 'answered',
      status: response.status,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
  } catch (error) {
    options.signal.throwIfAborted();
    return { kind: 'unanswered', problem: describe(error, options.timeoutMs) };
  }
}

function parseRetryAfter(header: string | null): number | undefined {
  return header !== null && /^\d{1,6}$/.test(header) ? Number(header) * 1_000 : undefined;
}

/** By its code only: messages of `fetch` can hold the address. */
function describe(error: unknown, timeoutMs: number): string {
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return `the receiver did not answer within ${timeoutMs} ms`;
  }
  const cause = error instanceof Error ? error.cause : undefined;
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : 'failed';
  return `the receiver cannot be reached (${code})`;
}
