import type { AlertName } from './alert.ts';
import type { ProviderName } from './provider-name.ts';

/**
 * What a failed provider call left behind.
 * `none`: certainly nothing happened. `applied`: it happened, or a guest certainly exists.
 * `unknown`: the request may have been carried out; nobody may repeat it without looking first.
 */
export type Effect = 'none' | 'unknown' | 'applied';

/** Why a provider call failed, as a small closed set: `decideNextStep` and metric labels depend on it. */
export const FAILURE_KINDS = [
  'unreachable',
  'timed_out',
  'rate_limited',
  'contention',
  'still_creating',
  'waiting',
  'over_capacity',
  'quota_exceeded',
  'unauthorized',
  'source_missing',
  'invalid_request',
  'foreign_guest',
  'not_found',
  'wrong_state',
  'never_usable',
  'guest_failed',
  'stuck',
  'memory_lost',
  'unsupported',
  'provider_error',
  'interrupted',
  'breaker_open',
] as const;

export type FailureKind = (typeof FAILURE_KINDS)[number];

/** A failure as data: what the record of an attempt keeps and every decision reads. */
export interface FailureReport {
  readonly kind: FailureKind;
  readonly effect: Effect;
  /** One sentence for a person, without secrets. */
  readonly message: string;
  /** What a person can do about it, an exact command where there is one. */
  readonly remediation?: string;
  /** The provider's own wish when it asked to slow down. */
  readonly retryAfterMs?: number;
  /** The request was still here when its time to leave was over: the provider knows nothing of it. */
  readonly neverLeft?: true;
  readonly provider?: ProviderName;
}

/** Failures of set-up rather than of luck: the route goes on, and somebody has to be told. */
export const CONFIGURATION_FAULTS = {
  unauthorized: 'provider.unauthorized',
  source_missing: 'source.missing',
} as const satisfies Readonly<Partial<Record<FailureKind, AlertName>>>;

/** The alert that a failure calls for, whatever else follows from it. */
export function alertFor(kind: FailureKind): AlertName | undefined {
  const alerts: Readonly<Partial<Record<FailureKind, AlertName>>> = CONFIGURATION_FAULTS;
  return alerts[kind];
}
