/** The only place that names concrete drivers. */

import { createMorphProvider } from '../providers/morph/morph.ts';
import { createMorphHttpClient } from '../providers/morph/morph-api.ts';
import type { Provider } from '../providers/provider.ts';
import { createPveHttpClient } from '../providers/pve/pve-api.ts';
import { createPveVmProvider } from '../providers/pve/pve-vm.ts';
import type { ServicePort } from '../providers/service-ports.ts';
import type { Store } from '../store/store.ts';
import { createVmidPool } from '../store/vmid-pool.ts';
import type { Backends } from './backends.ts';

export interface Providers {
  readonly all: readonly Provider[];
  close(): Promise<void>;
}

export interface ProvidersOptions {
  readonly deployment: string;
  readonly installId: string;
  readonly servicePorts?: readonly ServicePort[];
  readonly requestTimeoutMs?: number;
  readonly timing: { readonly cloneTimeoutMs: number };
}

/** A PVE node's daemon works on three requests at a time; one more keeps it busy. */
const PVE_CONNECTIONS = 4;
/** Morph's own SDK opens a hundred; ours are few and short. */
const MORPH_CONNECTIONS = 16;

export function createProviders(
  store: Store,
  { pve, morph }: Backends,
  { deployment, installId, servicePorts, requestTimeoutMs, timing }: ProvidersOptions,
): Providers {
  const common = {
    ...(servicePorts && { servicePorts }),
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
  };
  const all: Provider[] = [];
  const closers: (() => Promise<void>)[] = [];

  if (pve) {
    const { failureDomain, simulated, nodes, endpointUrlTemplate, vmidRange } = pve;
    const http = createPveHttpClient({ provider: 'pve-vm', ...pve, maxConnections: PVE_CONNECTIONS });
    const vmids = createVmidPool(store, { failureDomain, ...vmidRange, installId, nowMs: Date.now });
    closers.push(http.close);
    all.push(
      createPveVmProvider(
        { http, vmids },
        {
          nodes,
          failureDomain,
          simulated,
          deployment,
          cloneTimeoutMs: timing.cloneTimeoutMs,
          ...common,
          ...(endpointUrlTemplate && { endpointUrlTemplate }),
        },
      ),
    );
  }
  if (morph) {
    const { failureDomain, simulated, apiKey, apiBaseUrl: baseUrl } = morph;
    const http = createMorphHttpClient({ apiKey, baseUrl, maxConnections: MORPH_CONNECTIONS });
    closers.push(http.close);
    all.push(createMorphProvider({ http }, { failureDomain, simulated, ...common }));
  }
  return {
    all,
    async close() {
      await Promise.all(closers.map((close) => close()));
    },
  };
}
