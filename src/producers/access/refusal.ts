import type { Context } from 'hono';
import { HTTP_STATUS } from '../../core/lifecycle-error.ts';

export type AccessErrorCode =
  | 'unauthorized'
  | 'forbidden'
  | 'cross_site_request'
  | 'host_not_allowed'
  | 'body_too_large'
  | 'too_many_requests';

/** Why a request goes no further. */
export interface Refusal {
  readonly code: AccessErrorCode;
  readonly message: string;
  readonly remediation?: string;
  /** With `too_many_requests`: when to come back. */
  readonly retryAfterMs?: number;
}

/** In the API's documented shape. */
export function answerRefusal(context: Context, refusal: Refusal): Response {
  const { code, message, remediation, retryAfterMs } = refusal;
  if (retryAfterMs !== undefined) context.header('Retry-After', String(Math.ceil(retryAfterMs / 1000)));
  if (code === 'unauthorized') context.header('WWW-Authenticate', 'Bearer');
  context.header('Cache-Control', 'no-store');
  const retryable = code === 'too_many_requests';
  const body = { code, message, retryable, ...(remediation ? { remediation } : {}) };
  return context.json(body, HTTP_STATUS[code]);
}
