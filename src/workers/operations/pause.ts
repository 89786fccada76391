import type { PauseOptions } from '../../core/operation.ts';
import { ProviderError } from '../../providers/provider-error.ts';
import type { Settlement } from '../../store/attempt-endings.ts';
import type { AttemptSession } from '../attempt-session.ts';
import type { WorkerDeps } from '../worker-deps.ts';
import { requireGuestRef } from './guest-of.ts';

export async function pauseSandbox(session: AttemptSession, { provider }: WorkerDeps): Promise<Settlement> {
  const { operation } = session.claim;
  const { requiresRamSnapshot } = operation.options as PauseOptions;
  if (requiresRamSnapshot && !provider.capabilities.preservesRam) {
    throw new ProviderError({
      kind: 'unsupported',
      effect: 'none',
      message: `${provider.name} cannot keep memory while paused`,
      remediation: 'Pass requiresRamSnapshot: false to shut it down and keep its disk only.',
    });
  }
  const { preservesRam } = await provider.pause(requireGuestRef(session), session.call);
  return {
    operation: { state: 'succeeded' },
    sandbox: { state: 'paused', cause: operation.id, preservesRam },
    guestFate: 'keep',
  };
}
