/** Which sandboxes a listing shows. */
import type { ProviderName } from './provider-name.ts';
import { isEnded, SANDBOX_STATES, type Sandbox, type SandboxState } from './sandbox.ts';

export interface SandboxFilter {
  readonly states: readonly SandboxState[];
  readonly teamId?: string;
  readonly userId?: string;
  readonly taskRunId?: string;
  readonly provider?: ProviderName;
  /** Every entry given must be there with this value. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export const ENDED_STATES: readonly SandboxState[] = SANDBOX_STATES.filter((state) => isEnded(state));
export const CURRENT_STATES: readonly SandboxState[] = SANDBOX_STATES.filter((state) => !isEnded(state));

/** The states to show: those asked for, else every ended one or every other one. */
export function statesToShow(
  asked: SandboxState | readonly SandboxState[] | undefined,
  ended: boolean | undefined,
): readonly SandboxState[] {
  if (typeof asked === 'string') return [asked];
  return asked ?? (ended ? ENDED_STATES : CURRENT_STATES);
}

export function matchesFilter({ state, request, placement }: Sandbox, filter: SandboxFilter): boolean {
  const equals = (wanted: string | undefined, actual: string | undefined) =>
    wanted === undefined || wanted === actual;
  return (
    filter.states.includes(state) &&
    equals(filter.teamId, request.teamId) &&
    equals(filter.userId, request.userId) &&
    equals(filter.taskRunId, request.taskRunId) &&
    equals(filter.provider, placement?.provider) &&
    Object.entries(filter.metadata ?? {}).every(([key, value]) => request.metadata[key] === value)
  );
}
