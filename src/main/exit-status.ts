/** What the process ends with: scripts switch on it. Documented in docs/cli.md, which a test keeps in step. */
import { HTTP_STATUS, isLifecycleError, type LifecycleErrorCode } from '../core/lifecycle-error.ts';
import { isConfigError } from '../platform/config-error.ts';

export const EXIT = {
  done: 0,
  /** It was tried and failed, or a check found a problem. */
  failed: 1,
  /** Bad configuration or usage: nothing was done. */
  badUsage: 2,
  notFound: 3,
  /** The time to wait was over; what was asked for goes on. */
  timedOut: 4,
  /** The token is missing, wrong or not allowed to do this. */
  notAllowed: 5,
  /** No answer from the API or from Redis: whether it was done is not known. */
  unreachable: 6,
  /** Ctrl-C, as shells count it: 128 + SIGINT. */
  interrupted: 130,
} as const;

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

/** Codes whose HTTP status alone does not say it. */
const BY_CODE: Partial<Record<LifecycleErrorCode, ExitStatus>> = {
  wait_timed_out: EXIT.timedOut,
  api_unreachable: EXIT.unreachable,
  store_unavailable: EXIT.unreachable,
};

const BY_HTTP_STATUS: Readonly<Record<number, ExitStatus>> = {
  400: EXIT.badUsage,
  401: EXIT.notAllowed,
  403: EXIT.notAllowed,
  404: EXIT.notFound,
  422: EXIT.badUsage,
};

export function exitStatusOf(error: unknown): ExitStatus {
  if (isConfigError(error)) return EXIT.badUsage;
  if (!isLifecycleError(error)) return EXIT.failed;
  // A code of a newer server has no HTTP status here.
  const status: number | null = HTTP_STATUS[error.code] ?? null;
  return BY_CODE[error.code] ?? (status === null ? EXIT.failed : (BY_HTTP_STATUS[status] ?? EXIT.failed));
}
