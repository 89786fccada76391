/** The only place that names concrete drivers. */

import type { CapacityBook, Permits } from '../core/ports.ts';
import type { HttpClient } from '../providers/http-client.ts';
import { createMorphProvider } from '../providers/morph/morph.ts';
import { createMorphHttpClient } from '../providers/morph/morph-api.ts';
import type { Provider } from '../providers/provider.ts';
import { createPveHttpClient } from '../providers/pve/pve-api.ts';
import type { PveDeps, PveOptions } from '../providers/pve/pve-context.ts';
import { CMUX_EXEC_TOKEN } from '../providers/pve/pve-first-boot.ts';
import { createPveLxcProvider } from '../providers/pve/pve-lxc.ts';
import { createPveVmProvider } from '../providers/pve/pve-vm.ts';
import type { ServicePort } from '../providers/service-ports.ts';
import type { Store } from '../store/store.ts';
import { createVmidPool } from '../store/vmid-pool.ts';
import type { Backends, PveBackend, PveKindName } from './backends.ts';

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
  readonly permits: Permits;
  readonly capacityBook: CapacityBook;
  readonly nowMs?: () => number;
  /** Put between every driver and its provider, to see what goes by. */
  readonly watchHttp?: (http: HttpClient) => HttpClient;
}

/** Morph's own SDK opens a hundred; ours are few and short. */
const MORPH_CONNECTIONS = 16;

const PVE_DRIVERS = {
  'pve-vm': createPveVmProvider,
  'pve-lxc': createPveLxcProvider,
} as const satisfies Record<PveKindName, (deps: PveDeps, options: PveOptions) => Provider>;

export function createProviders(
  store: Store,
  { pve, morph }: Backends,
  options: ProvidersOptions,
): Providers {
  const all: Provider[] = [];
  const closers: (() => Promise<void>)[] = [];
  const { watchHttp = (http) => http } = options;
  if (pve) {
    const deps = pveDeps(store, pve, watchHttp, options);
    closers.push(deps.http.close);
    for (const kind of pve.kinds) all.push(PVE_DRIVERS[kind](deps, pveOptions(pve, options)));
  }
  if (morph) {
    const { failureDomain, simulated, apiKey, apiBaseUrl: baseUrl, deadManSeconds, wakeOn } = morph;
    const http = watchHttp(createMorphHttpClient({ apiKey, baseUrl, maxConnections: MORPH_CONNECTIONS }));
    closers.push(http.close);
    const settings = {
      ...(deadManSeconds === undefined ? {} : { deadManSeconds }),
      ...(wakeOn ? { wakeOn } : {}),
    };
    all.push(
      createMorphProvider({ http }, { failureDomain, simulated, ...settings, ...commonOptions(options) }),
    );
  }
  return {
    all,
    async close() {
      await Promise.all(closers.map((close) => close()));
    },
  };
}

/** Both kinds share them: they load one endpoint and take from one range of VMIDs. */
function pveDeps(
  store: Store,
  pve: PveBackend,
  watchHttp: (http: HttpClient) => HttpClient,
  options: ProvidersOptions,
): PveDeps {
  const { failureDomain, vmidRange, kinds } = pve;
  const { installId, permits, capacityBook, nowMs = Date.now } = options;
  return {
    http: watchHttp(createPveHttpClient({ provider: kinds[0] ?? 'pve-vm', ...pve })),
    vmids: createVmidPool(store, { failureDomain, ...vmidRange, installId, nowMs: Date.now }),
    permits,
    capacityBook,
    alerts: {
      raise: async (alert) => void (await store.alerts.raise(alert, nowMs())),
      clear: async (key) => void (await store.alerts.clear(key, nowMs())),
    },
  };
}

function pveOptions(pve: PveBackend, options: ProvidersOptions): PveOptions {
  const { nodes, cordonedNodes, reserves, failureDomain, simulated, endpointUrlTemplate } = pve;
  const { execToken, setClock, cloudInit } = pve;
  return {
    ...(nodes && { nodes }),
    cordonedNodes,
    reserves,
    failureDomain,
    simulated,
    setClock,
    ...(options.nowMs && { nowMs: options.nowMs }),
    deployment: options.deployment,
    cloneTimeoutMs: options.timing.cloneTimeoutMs,
    firstBoot: { ...(execToken && CMUX_EXEC_TOKEN), ...(cloudInit && { cloudInit }) },
    ...commonOptions(options),
    ...(endpointUrlTemplate && { endpointUrlTemplate }),
  };
}

function commonOptions({ servicePorts, requestTimeoutMs }: ProvidersOptions) {
  return {
    ...(servicePorts && { servicePorts }),
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
  };
}
