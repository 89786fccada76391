import type { Effect, FailureKind, FailureReport } from '../core/failure.ts';
import type { ProviderName } from '../core/provider-name.ts';

const MARK = Symbol.for('cmux-lifecycle.ProviderError');

export interface ProviderErrorFacts {
  readonly kind: FailureKind;
  readonly effect: Effect;
  readonly message: string;
  readonly remediation?: string;
  readonly retryAfterMs?: number;
  readonly neverLeft?: true;
  readonly provider?: ProviderName;
  readonly cause?: unknown;
}

/** A provider call failed; `effect` says truthfully what it may have left behind. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';
  readonly [MARK] = true;
  readonly report: FailureReport;

  constructor({ cause, ...report }: ProviderErrorFacts) {
    super(report.message, { cause });
    this.report = report;
  }
}

/** Works across copies of this module, as `instanceof` does not. */
export function isProviderError(value: unknown): value is ProviderError {
  return typeof value === 'object' && value !== null && MARK in value;
}

/**
 * The same failure seen from a larger undertaking: a read that failed left nothing behind by itself, but in
 * the middle of a `bringUp` a guest may well exist.
 */
export function withEffect(error: ProviderError, effect: Effect): ProviderError {
  return error.report.effect === effect
    ? error
    : new ProviderError({ ...error.report, effect, cause: error });
}
