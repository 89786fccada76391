import type { Operation } from './operation.ts';
import type { Sandbox } from './sandbox.ts';

/** One sentence about a state; the history has the rest. */
export function explainState(
  sandbox: Sandbox,
  behind: Operation | undefined,
  pending: Operation | undefined,
): string {
  const { id, state, cause } = sandbox;
  const since = new Date(sandbox.updatedAtMs).toISOString();
  const reason = behind ? `because ${describe(behind)}` : `because of ${cause}`;
  const next = pending && pending.id !== behind?.id ? `; next: ${describe(pending)}` : '';
  return `${id} is ${state} since ${since}, ${reason}${next}`;
}

function describe({ kind, id, state, requestedBy, attempts, failure }: Operation): string {
  const who = requestedBy === undefined ? '' : `, asked for by ${requestedBy},`;
  const last = attempts.at(-1);
  const where = last ? ` on ${last.provider}` : '';
  const failed = attempts.flatMap((attempt) =>
    attempt.failure
      ? [`attempt ${attempt.number} on ${attempt.provider} failed: ${attempt.failure.message}`]
      : [],
  );
  const details = failed.length > 0 ? ` (${failed.join('; ')})` : '';
  const outcome = failure ? `failed as ${failure.code}` : STATE_WORDS[state];
  return `${kind} ${id}${who} ${outcome}${where}${details}`;
}

const STATE_WORDS = {
  queued: 'waits',
  begun: 'is under way',
  succeeded: 'succeeded',
  failed: 'failed',
  superseded: 'was superseded',
} as const satisfies Record<Operation['state'], string>;
