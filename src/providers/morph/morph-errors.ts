import type { Effect, FailureKind } from '../../core/failure.ts';
import { ProviderError } from '../provider-error.ts';

interface Row {
  readonly status: readonly number[];
  readonly kind: FailureKind;
  /** What a changing request answered so leaves behind; a read always leaves nothing. */
  readonly effect: Effect;
  readonly remediation?: string;
}

/**
 * Every status of Morph Cloud that we tell apart, first match wins. Which statuses exist is from its OpenAPI
 * description and documentation (facts A5); what they mean for repeating is inferred: it promises admission,
 * ownership and quota checks before a start is dispatched, so 4xx leaves nothing. 429 and Retry-After are
 * documented nowhere and handled all the same.
 */
export const MORPH_REFUSALS = [
  {
    status: [401, 403],
    kind: 'unauthorized',
    effect: 'none',
    remediation: 'Check MORPH_API_KEY, and that its account owns the snapshot.',
  },
  {
    status: [402],
    kind: 'quota_exceeded',
    effect: 'none',
    remediation: 'Morph asks for payment: add credits or raise the plan at cloud.morph.so.',
  },
  { status: [404], kind: 'not_found', effect: 'none' },
  { status: [409, 412], kind: 'wrong_state', effect: 'none' },
  { status: [400, 422], kind: 'invalid_request', effect: 'none' },
  { status: [429], kind: 'rate_limited', effect: 'none' },
  { status: [408, 504, 524], kind: 'timed_out', effect: 'unknown' },
] as const satisfies readonly Row[];

/** 5xx, and what nobody has classified yet: it may have been carried out. */
const OTHER: Row = { status: [], kind: 'provider_error', effect: 'unknown' };

export interface RefusedMorphRequest {
  readonly what: string;
  readonly status: number;
  readonly detail: string;
  readonly changes: boolean;
  readonly retryAfterMs?: number;
}

export function refusedMorphRequest(refused: RefusedMorphRequest): ProviderError {
  const rows: readonly Row[] = MORPH_REFUSALS;
  const row = rows.find(({ status }) => status.includes(refused.status)) ?? OTHER;
  return new ProviderError({
    kind: row.kind,
    effect: refused.changes ? row.effect : 'none',
    message: `${refused.what} was answered ${refused.status}: ${refused.detail || 'no reason given'}`,
    ...(row.remediation === undefined ? {} : { remediation: row.remediation }),
    ...(refused.retryAfterMs === undefined ? {} : { retryAfterMs: refused.retryAfterMs }),
    provider: 'morph',
  });
}

/** `Retry-After`: seconds, or a date. */
export function parseRetryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const seconds = Number(value);
  const waitMs = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - nowMs;
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : undefined;
}

/** `{detail: "…"}`, or FastAPI's list of problems for 422. */
export function morphDetail(body: unknown): string {
  if (typeof body !== 'object' || body === null || !('detail' in body)) return '';
  const { detail } = body;
  if (typeof detail === 'string') return detail;
  if (!Array.isArray(detail)) return '';
  return detail
    .map((problem: { loc?: unknown; msg?: unknown }) =>
      [Array.isArray(problem?.loc) ? problem.loc.join('.') : '', String(problem?.msg ?? '')].join(': '),
    )
    .join('; ');
}
