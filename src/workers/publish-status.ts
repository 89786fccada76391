/** Tells producers what this provider can do and how it is; they know providers only from here. */
import type { CapacityReport } from '../core/capacity-report.ts';
import type { Logger } from '../platform/log.ts';
import type { Provider, ProviderCall } from '../providers/provider.ts';
import { isProviderError } from '../providers/provider-error.ts';
import type { Store } from '../store/store.ts';
import { readOnlyCall } from './reconcile/read-only-call.ts';

export interface StatusPublisher {
  close(): void;
}

/** A probe is one request; more often would only cost the provider, less often leaves pages out of date. */
const PUBLISH_EVERY_MS = 15_000;
const PROBE_TIMEOUT_MS = 5_000;

/** Publishes once before it resolves, so that a start submitted right after finds the provider. */
export async function startStatusPublisher(deps: {
  readonly store: Store;
  readonly provider: Provider;
  readonly log: Logger;
  readonly nowMs: () => number;
  /** Default 15 s. */
  readonly statusEveryMs?: number;
}): Promise<StatusPublisher> {
  const closed = new AbortController();

  async function publish(): Promise<void> {
    const { provider, store, nowMs } = deps;
    const signal = AbortSignal.any([closed.signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]);
    // Whoever sees first that an open breaker's time has come asks for all of its domain.
    const decides = await store.breakers.takeProbe(provider.failureDomain, nowMs());
    const health = await provider
      .probe(readOnlyCall(signal, 'the status publisher'))
      .catch((error: unknown) => {
        closed.signal.throwIfAborted();
        return { healthy: false, detail: `no answer to a probe: ${String(error)}` };
      });
    if (decides) await store.breakers.probed(provider.failureDomain, health.healthy, nowMs());
    const capacity = health.healthy
      ? await readCapacity(provider, readOnlyCall(signal, 'the status publisher'))
      : undefined;
    await store.deployment.publishStatus({
      ...(capacity ? { capacity } : {}),
      provider: provider.name,
      preservesRam: provider.capabilities.preservesRam,
      failureDomain: provider.failureDomain,
      simulated: provider.simulated,
      healthy: health.healthy,
      detail: health.detail,
      publishedAtMs: nowMs(),
    });
  }

  await publish();
  const timer = setInterval(() => {
    publish().catch((error: unknown) => {
      if (!closed.signal.aborted) deps.log.warn({ err: error }, 'could not publish a provider status');
    });
  }, deps.statusEveryMs ?? PUBLISH_EVERY_MS);
  return {
    close() {
      clearInterval(timer);
      closed.abort();
    },
  };
}

/** Missing capacity only leaves a page without its bars: the next round asks again. */
async function readCapacity(provider: Provider, call: ProviderCall): Promise<CapacityReport | undefined> {
  try {
    return await provider.capacity?.(call);
  } catch (error) {
    if (isProviderError(error) || call.signal.aborted) return undefined;
    throw error;
  }
}
