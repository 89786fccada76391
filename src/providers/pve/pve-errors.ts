import type { ProviderName } from '../../core/provider-name.ts';
import { ProviderError, type ProviderErrorFacts } from '../provider-error.ts';
import { PVE_REFUSALS, type RefusalRow } from './pve-refusals.ts';

/** A row of the table, by name: drivers branch on these and never on texts of their own. */
export type PveRefusal = (typeof PVE_REFUSALS)[number]['refusal'];

/** Proxmox refused, or a task of its failed; `refusal` is the row of the table. */
export class PveError extends ProviderError {
  readonly refusal: PveRefusal;
  /** The task that failed; `undefined` when the request itself was refused. */
  readonly task: string | undefined;

  constructor(refusal: PveRefusal, facts: ProviderErrorFacts, task?: string) {
    super(facts);
    this.refusal = refusal;
    this.task = task;
  }
}

export interface RefusedRequest {
  readonly provider: ProviderName;
  /** For people: `POST /nodes/pve1/qemu/9000/clone`. */
  readonly what: string;
  readonly status: number;
  readonly text: string;
  /** False for reads, which leave nothing behind whatever becomes of them. */
  readonly changes: boolean;
  readonly retryAfterMs?: number;
}

export function refusedRequest(refused: RefusedRequest): PveError {
  const row = findRow(refused.text, refused.status);
  return new PveError(row.refusal, {
    kind: row.kind,
    effect: refused.changes ? row.effect : 'none',
    message: `${refused.what} was answered ${refused.status}: ${refused.text || 'no reason given'}`,
    remediation: row.remediation,
    ...(refused.retryAfterMs === undefined ? {} : { retryAfterMs: refused.retryAfterMs }),
    provider: refused.provider,
  });
}

export interface FailedTask {
  readonly provider: ProviderName;
  readonly upid: string;
  readonly exitStatus: string;
}

export function failedTask(failed: FailedTask): PveError {
  const row = findRow(failed.exitStatus);
  const facts: ProviderErrorFacts = {
    kind: row.kind,
    effect: row.taskEffect ?? 'unknown',
    message: `task ${failed.upid} failed: ${failed.exitStatus}`,
    remediation: row.remediation,
    provider: failed.provider,
  };
  return new PveError(row.refusal, facts, failed.upid);
}

export function isRefusal(error: unknown, ...refusals: readonly PveRefusal[]): error is PveError {
  return error instanceof PveError && refusals.includes(error.refusal);
}

function findRow(text: string, status?: number): RefusalRow & { readonly refusal: PveRefusal } {
  const rows: readonly (RefusalRow & { readonly refusal: PveRefusal })[] = PVE_REFUSALS;
  const found = rows.find(
    (row) =>
      (row.status === undefined || (status !== undefined && row.status.includes(status))) &&
      (row.text === undefined || row.text.test(text)),
  );
  if (found === undefined) throw new Error('the last row of PVE_REFUSALS matches everything');
  return found;
}
