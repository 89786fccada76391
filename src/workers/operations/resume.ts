import type { GuestRef } from '../../core/guest.ts';
import type { ResumeOptions } from '../../core/operation.ts';
import { planReconnect } from '../../core/reconnect.ts';
import type { Provider, ProviderCall } from '../../providers/provider.ts';
import { ProviderError } from '../../providers/provider-error.ts';
import type { Settlement } from '../../store/attempt-endings.ts';
import type { AttemptSession } from '../attempt-session.ts';
import { renewalOf } from '../renewal-of.ts';
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
  const ref = requireGuestRef(session);
  // One that ran already, as the absence of a promise shows, broke nobody's connection.
  const wasPaused = sandbox?.preservesRam !== undefined;
  const askedAtMs = deps.nowMs();
  const { facts, memoryKept, clock } = await provider.resume(
    ref,
    { allowColdBoot: !promised || onLostMemory === 'cold-boot', wasPaused },
    call,
  );
  const since = session.runningSince();
  await waitUntilUsable(facts.endpoints, { signal: session.call.signal, timeoutMs: timing.usableTimeoutMs });
  await requireSameGuest(provider, ref, session.call);
  const { placement } = sandbox ?? {};
  const kept = memoryKept && !coldBooted;
  const reconnect = planReconnect(placement?.endpoints ?? [], facts.endpoints, kept, clock);
  return {
    operation: {
      state: 'succeeded',
      memoryKept: kept,
      ...(clock === undefined || clock === 'unknown' ? {} : { clock }),
    },
    sandbox: {
      state: 'running',
      cause: operation.id,
      ...(wasPaused ? { reconnect } : {}),
      ...(placement ? { placement: { ...placement, endpoints: facts.endpoints } } : {}),
    },
    guestFate: 'keep',
    since,
    ...renewalOf(provider, askedAtMs),
    ...sealSecrets(deps, facts),
  };
}

/** What answers at its address is what was resumed: a VMID may have got another guest meanwhile. */
async function requireSameGuest(provider: Provider, ref: GuestRef, call: ProviderCall): Promise<void> {
  const { marker, detail } = await provider.inspect(ref, call);
  if (marker?.guest === ref.guestId) return;
  throw new ProviderError({
    kind: 'foreign_guest',
    effect: 'applied',
    message: `what answers at ${ref.nativeId} does not carry the marker of ${ref.guestId}: ${detail}`,
    provider: provider.name,
  });
}
