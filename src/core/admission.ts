import {
  isHousekeeping,
  type OperationKind,
  type OperationOptions,
  type OperationState,
} from './operation.ts';
import { isEnded, type SandboxState } from './sandbox.ts';

/** Operations wait in line per sandbox. More than this means a caller in a loop; refusing shows it. */
export const MAX_PENDING_OPERATIONS = 8;

export interface PendingOperation {
  readonly id: string;
  readonly kind: OperationKind;
  readonly state: OperationState;
  readonly options: OperationOptions;
  /** Decided in the background, and no caller has joined it. */
  readonly pinned?: boolean;
}

export interface AdmissionInput {
  readonly state: SandboxState;
  /** Unsettled operations of the sandbox in the order they run; only the first can have begun. */
  readonly pending: readonly PendingOperation[];
  readonly request: AdmissionRequest;
}

export interface AdmissionRequest {
  readonly kind: OperationKind;
  readonly options: OperationOptions;
  /** A background decision, which gives way to callers. */
  readonly pinned?: boolean;
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
 * a destroy supersedes everything that has not begun, the rest waits in line. What was decided in the background
 * gives way: it is refused while a caller's operation waits, and a caller supersedes it until it has begun. A
 * `configure` gives way to everything.
 */
export function admit({ state, pending, request }: AdmissionInput): Admission {
  if (request.pinned && pending.some(({ kind, pinned }) => !isHousekeeping(kind) && pinned !== true)) {
    return refuse('wrong_state', 'an operation that somebody asked for is under way');
  }
  if (request.kind === 'configure' && pending.length > 0) {
    return refuse('wrong_state', 'something else is under way');
  }
  const givesWay = isHousekeeping(request.kind)
    ? []
    : [...notBegun(pending, 'configure'), ...(request.pinned ? [] : pinnedNotBegun(pending, request))];
  const destroying = pending.find(({ id, kind }) => kind === 'destroy' && !givesWay.includes(id));
  if (request.kind === 'destroy') {
    if (destroying) return { verdict: 'join', operationId: destroying.id, supersede: [] };
    if (isEnded(state)) return { verdict: 'already_done' };
    return { verdict: 'enqueue', supersede: notBegun(pending) };
  }
  if (isEnded(state)) return refuse('wrong_state', `the sandbox is ${state}`);
  if (destroying) return refuse('wrong_state', 'the sandbox is being destroyed');

  const resumed = request.kind === 'resume' ? notBegun(pending, 'pause') : [];
  const supersede = [...new Set([...givesWay, ...resumed])];
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

/** Those that a caller's request sets aside; an equal one is joined instead. */
function pinnedNotBegun(pending: readonly PendingOperation[], request: AdmissionRequest): readonly string[] {
  return pending
    .filter((operation) => operation.pinned && operation.state === 'queued')
    .filter((operation) => !isEqualRequest(operation, request))
    .map(({ id }) => id);
}

function isEqualRequest(pending: PendingOperation, request: AdmissionRequest): boolean {
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
