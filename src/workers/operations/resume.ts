import type { ResumeOptions } from '../../core/operation.ts';
import type { ProviderCall } from '../../providers/provider.ts';
import type { Settlement } from '../../store/attempt-endings.ts';
import type { AttemptSession } from '../attempt-session.ts';
import { sealSecrets } from '../seal-secrets.ts';
import type { WorkerDeps } from '../worker-deps.ts';
import { requireGuestRef } from './guest-of.ts';

/**
 * Resumes where the memory lies. When memory that was promised is gone, `onLostMemory` decides; where none
 * was promised (a container, a pause without memory) the guest boots and the caller is told.
 */
export async function resumeSandbox(session: AttemptSession, deps: WorkerDeps): Promise<Settlement> {
  const { provider, store, waitUntilUsable, timing } = deps;
  const { operation, sandbox } = session.claim;
  const { onLostMemory } = operation.options as ResumeOptions;
  const promised = sandbox?.preservesRam ?? provider.capabilities.preservesRam;
  let coldBooted = operation.coldBooted ?? false;
  const call: ProviderCall = {
    ...session.call,
    async step(name, send) {
      // Written first: an attempt that follows finds the guest running and could not tell any more.
      if (name === 'boot') {
        await store.attempts.recordColdBoot(session.claim);
        coldBooted = true;
      }
      return session.call.step(name, send);
    },
  };
  const { facts, memoryKept } = await provider.resume(
    requireGuestRef(session),
    { allowColdBoot: !promised || onLostMemory === 'cold-boot' },
    call,
  );
  const since = session.runningSince();
  await waitUntilUsable(facts.endpoints, { signal: session.call.signal, timeoutMs: timing.usableTimeoutMs });
  const { placement } = sandbox ?? {};
  return {
    operation: { state: 'succeeded', memoryKept: memoryKept && !coldBooted },
    sandbox: {
      state: 'running',
      cause: operation.id,
      ...(placement ? { placement: { ...placement, endpoints: facts.endpoints } } : {}),
    },
    guestFate: 'keep',
    since,
    ...sealSecrets(deps, facts),
  };
}
