/** Where each enabled provider is: at its real address, or at a simulator of ours. */
import { PROVIDER_NAMES, type ProviderName } from '../core/provider-name.ts';
import type { Config, ServiceConfig } from '../platform/config.ts';
import type { MorphConfig, PveConfig } from '../platform/config-providers.ts';
import { snapshotsOf, templatesOf } from '../platform/local-presets.ts';
import {
  type MorphLatency,
  type PveLatency,
  type SimulatedTemplate,
  startSimulators,
} from '../simulators/simulators.ts';

export type PveKindName = 'pve-vm' | 'pve-lxc';

export interface PveBackend extends PveConfig {
  /** Those that are offered; both share one endpoint, and with it one failure domain. */
  readonly kinds: readonly PveKindName[];
  readonly failureDomain: string;
  readonly simulated: boolean;
  /** `{port}` and `{guest}` are replaced; absent: guests are reached by their address. */
  readonly endpointUrlTemplate?: string;
}

export interface MorphBackend extends MorphConfig {
  readonly failureDomain: string;
  readonly simulated: boolean;
}

export interface Backends {
  readonly pve?: PveBackend;
  readonly morph?: MorphBackend;
}

const PVE_KINDS: readonly PveKindName[] = ['pve-vm', 'pve-lxc'];

export function realBackends({ pve, morph, enabledProviders }: ServiceConfig): Backends {
  return {
    ...(pve && {
      pve: {
        ...pve,
        kinds: PVE_KINDS.filter((kind) => enabledProviders.includes(kind)),
        failureDomain: `pve:${new URL(pve.apiUrl).host}`,
        simulated: false,
        ...(pve.publicDomain && { endpointUrlTemplate: `https://port-{port}-{guest}.${pve.publicDomain}` }),
      },
    }),
    ...(morph && {
      morph: { ...morph, failureDomain: `morph:${new URL(morph.apiBaseUrl).host}`, simulated: false },
    }),
  };
}

/** Secrets of machines that do not exist; they never leave loopback. */
const SIMULATED_TOKEN = 'lifecycle@pve!simulated=simulated-secret';
const SIMULATED_KEY = 'simulated-key';
const MIB_PER_GIB = 1024;
/** Outside the range that cmux's own clean-up jobs consider theirs. */
const SIMULATED_VMIDS = { first: 20_000, last: 29_999 };

export interface LocalSimulatorOptions {
  /** Guests survive a restart in here. */
  readonly dataFile?: string;
  readonly latency?: { readonly pve?: Partial<PveLatency>; readonly morph?: Partial<MorphLatency> };
  /** Per node; beyond it the simulated OOM killer takes a guest, as on a real node. */
  readonly nodeMemoryMib?: number;
  /** Besides those of the presets. */
  readonly templates?: readonly SimulatedTemplate[];
  /** Of whatever is left to chance there, such as faults with a probability. */
  readonly seed?: number;
  /** The providers' own clock. */
  readonly nowMs?: () => number;
}

/** Both providers, filled with what the presets start from. */
export async function startLocalSimulators(
  { presets }: Pick<Config, 'presets'>,
  { dataFile, latency = {}, nodeMemoryMib, templates = [], seed, nowMs }: LocalSimulatorOptions = {},
) {
  const snapshots = snapshotsOf(presets).map(({ diskGib, ...rest }) => ({
    ...rest,
    diskMib: diskGib * MIB_PER_GIB,
  }));
  return startSimulators({
    pve: {
      token: SIMULATED_TOKEN,
      templates: [...templatesOf(presets), ...templates],
      ...(nodeMemoryMib === undefined ? {} : { nodeMemoryMib }),
      ...(latency.pve && { latency: latency.pve }),
    },
    morph: { apiKey: SIMULATED_KEY, snapshots, ...(latency.morph && { latency: latency.morph }) },
    ...(dataFile === undefined ? {} : { dataFile }),
    ...(seed === undefined ? {} : { seed }),
    ...(nowMs ? { nowMs } : {}),
  });
}

export type LocalSimulators = Awaited<ReturnType<typeof startLocalSimulators>>;

export function simulatedBackends(
  { pve, morph, gatewayUrl }: LocalSimulators,
  enabled: readonly ProviderName[] = PROVIDER_NAMES,
): Backends {
  return {
    pve: {
      kinds: PVE_KINDS.filter((kind) => enabled.includes(kind)),
      apiUrl: pve.url,
      apiToken: pve.token,
      cordonedNodes: [],
      reserves: { hostMib: 2048, resumeShare: 0.1 },
      execToken: false,
      // Its guests have an agent and a clock that sleeps with them, so that the demo shows it set.
      setClock: true,
      tls: { verify: true },
      vmidRange: SIMULATED_VMIDS,
      failureDomain: 'pve:simulated',
      simulated: true,
      endpointUrlTemplate: `${gatewayUrl}/{guest}/{port}/`,
    },
    morph: {
      apiKey: morph.apiKey,
      apiBaseUrl: morph.url,
      failureDomain: 'morph:simulated',
      simulated: true,
    },
  };
}
