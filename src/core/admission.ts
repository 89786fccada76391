import type { OperationKind, OperationOptions, OperationState } from './operation.ts';
import { isEnded, type SandboxState } from './sandbox.ts';

/** Operations wait in line per sandbox. More than this means a caller in a loop; refusing shows it. */
export const MAX_PENDING_OPERATIONS = 8;

export interface PendingOperation {
  readonly id: string;
  readonly kind: OperationKind;
  readonly state: OperationState;
  readonly options: OperationOptions;
}

export interface AdmissionInput {
  readonly state: SandboxState;
  /** Unsettled operations of the sandbox in the order they run; only the first can have begun. */
  readonly pending: readonly PendingOperation[];
  readonly request: { readonly kind: OperationKind; readonly options: OperationOptions };
}

export type Admission =
  | { readonly verdict: 'enqueue'; readonly supersede: readonly string[] }
  | { readonly verdict: 'join'; readonly operationId: string; readonly supersede: readonly string[] }
  /** Nothing is left to do: the operation settles as succeeded in the same write. */
  | { readonly verdict: 'already_done' }
  | {
      readonly verdict: 'refuse';
      readonly code: 'wrong_state' | 'too_many_operations';
      readonly message: string;
    };

/**
 * One operation at a time per sandbox: equal requests join, a resume supersedes a pause that has not begun,
 * a destroy supersedes everything that has not begun, the rest waits in line.
 */
export function admit({ state, pending, request }: AdmissionInput): Admission {
  const destroying = pending.find((operation) => operation.kind === 'destroy');
  if (request.kind === 'destroy') {
    if (destroying) return { verdict: 'join', operationId: destroying.id, supersede: [] };
    if (isEnded(state)) return { verdict: 'already_done' };
    return { verdict: 'enqueue', supersede: notBegun(pending) };
  }
  if (isEnded(state)) return refuse('wrong_state', `the sandbox is ${state}`);
  if (destroying) return refuse('wrong_state', 'the sandbox is being destroyed');

  const supersede = request.kind === 'resume' ? notBegun(pending, 'pause') : [];
  const left = pending.filter((operation) => !supersede.includes(operation.id));
  const last = left.at(-1);
  if (last && isEqualRequest(last, request)) return { verdict: 'join', operationId: last.id, supersede };
  if (left.length >= MAX_PENDING_OPERATIONS) {
    return refuse('too_many_operations', `${left.length} operations are already waiting for this sandbox`);
  }
  return { verdict: 'enqueue', supersede };
}

function notBegun(pending: readonly PendingOperation[], kind?: OperationKind): readonly string[] {
  return pending
    .filter((operation) => operation.state === 'queued' && (kind === undefined || operation.kind === kind))
    .map((operation) => operation.id);
}

function isEqualRequest(
  pending: PendingOperation,
  request: { readonly kind: OperationKind; readonly options: OperationOptions },
): boolean {
  return pending.kind === request.kind && canonicalJson(pending.options) === canonicalJson(request.options);
}

/** JSON with sorted keys at every level, so that equal values have equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function refuse(code: 'wrong_state' | 'too_many_operations', message: string): Admission {
  return { verdict: 'refuse', code, message };
}
