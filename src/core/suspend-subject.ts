import type { Protection, SuspendSubject } from './idleness.ts';
import type { Sandbox } from './sandbox.ts';

/**
 * Whether everything automatic leaves it alone. cmux's cloud workspaces are started as protected; a record whose
 * protection cannot be read as yes or no counts as protected.
 */
export function protectionOf({ request }: Sandbox): Protection {
  const value: unknown = request.protected;
  if (value === true) return 'protected';
  return value === false ? 'none' : 'unknown';
}

/** What the rules of idleness are asked about; `undefined` while it has no guest. */
export function suspendSubject(sandbox: Sandbox): SuspendSubject | undefined {
  const { state, request, placement } = sandbox;
  if (placement === undefined) return undefined;
  const { workloadType, teamId, idleTimeoutSeconds, requiresRamSnapshot } = request;
  return {
    provider: placement.provider,
    isRunning: state === 'running',
    protection: protectionOf(sandbox),
    requiresRamSnapshot,
    ...(workloadType === undefined ? {} : { workloadType }),
    ...(teamId === undefined ? {} : { teamId }),
    ...(idleTimeoutSeconds === undefined ? {} : { idleTimeoutSeconds }),
  };
}
