import { randomBytes } from 'node:crypto';
import type { Alert } from '../../src/core/alert.ts';
import type { GuestIntent, GuestRef } from '../../src/core/guest.ts';
import type { VmidPool } from '../../src/core/ports.ts';
import { createMorphProvider, type MorphOptions } from '../../src/providers/morph/morph.ts';
import { createMorphHttpClient } from '../../src/providers/morph/morph-api.ts';
import type { GuestFacts, GuestSpec, Provider, ProviderCall } from '../../src/providers/provider.ts';
import { isProviderError } from '../../src/providers/provider-error.ts';
import { createPveHttpClient } from '../../src/providers/pve/pve-api.ts';
import type { PveOptions } from '../../src/providers/pve/pve-context.ts';
import { createPveLxcProvider } from '../../src/providers/pve/pve-lxc.ts';
import { createPveVmProvider } from '../../src/providers/pve/pve-vm.ts';
import { type FaultPlan, type SimulatorOptions, startSimulators } from '../../src/simulators/simulators.ts';
import { createInMemoryCapacityBook, createInMemoryPermits } from './in-memory-ports.ts';

/** A driver with a simulator behind it, and what a test needs to disturb the two. */
export interface Rig {
  readonly provider: Provider;
  readonly faults: FaultPlan;
  readonly setDown: (down: boolean) => Promise<void>;
  /** The path of the creating request, for faults. */
  readonly createPath: string;
  /** How many requests of each kind the simulator has seen, by `METHOD /path`. */
  readonly calls: () => Readonly<Record<string, number>>;
  /** Native ids of all guests the simulator holds, templates apart. */
  readonly nativeIds: () => readonly string[];
  readonly gatewayUrl: string;
  readonly close: () => Promise<void>;
}

export const TOKEN = 'root@pam!test=0a0b0c0d-secret';
export const API_KEY = 'morph-secret-key';
export const TEMPLATE = { vmid: 9000, name: 'tpl-small', cores: 2, memoryMib: 2048, diskGib: 8 };
export const CT_TEMPLATE = {
  kind: 'lxc',
  vmid: 9100,
  name: 'ct-small',
  cores: 2,
  memoryMib: 2048,
  diskGib: 8,
} as const;
const SNAPSHOT = { id: 'snapshot_small', vcpus: 2, memoryMib: 2048, diskMib: 8192 };

const QUICK = {
  cloneMs: 30,
  ctCloneMs: 30,
  ctStartMs: 20,
  startMs: 20,
  suspendMs: 30,
  resumeMs: 20,
  stopMs: 10,
  shutdownMs: 10,
  destroyMs: 10,
  servicesMs: 20,
  forkMs: 5,
  flockWaitMs: 100,
  cloneFlockWaitMs: 50,
  agentWaitMs: 30,
};

export interface PveRigOptions {
  readonly pve?: Partial<NonNullable<SimulatorOptions['pve']>>;
  readonly requestTimeoutMs?: number;
  readonly byAddress?: boolean;
  readonly vmids?: VmidPool;
  /** The clock of the simulators. */
  readonly nowMs?: () => number;
  /** What the driver is told beyond what every rig needs. */
  readonly driver?: Partial<PveOptions>;
}

const PVE_KINDS = {
  'pve-vm': { create: createPveVmProvider, template: TEMPLATE },
  'pve-lxc': { create: createPveLxcProvider, template: CT_TEMPLATE },
} as const;

export const startPveVmRig = (options?: PveRigOptions) => startPveRig('pve-vm', options);
export const startPveLxcRig = (options?: PveRigOptions) => startPveRig('pve-lxc', options);

export async function startPveRig(kind: keyof typeof PVE_KINDS, options: PveRigOptions = {}) {
  const simulators = await startSimulators({
    ...(options.nowMs && { nowMs: options.nowMs }),
    pve: {
      token: TOKEN,
      templates: [PVE_KINDS[kind].template],
      ...options.pve,
      latency: { ...QUICK, ...options.pve?.latency },
    },
  });
  const { pve, gatewayUrl } = simulators;
  const http = createPveHttpClient({
    provider: kind,
    apiUrl: pve.url,
    apiToken: TOKEN,
    tls: pve.certificate === undefined ? { verify: true } : { verify: true, ca: pve.certificate },
  });
  const vmids = options.vmids ?? createTestPool();
  const permits = createInMemoryPermits();
  const capacityBook = createInMemoryCapacityBook();
  const alerts: Alert[] = [];
  const provider = PVE_KINDS[kind].create(
    {
      http,
      vmids,
      permits,
      capacityBook,
      alerts: { raise: async (alert) => void alerts.push(alert), clear: async () => {} },
    },
    {
      failureDomain: 'pve:test',
      simulated: true,
      deployment: 'test',
      servicePorts: [{ name: 'vscode', port: 39378 }],
      ...(options.byAddress ? {} : { endpointUrlTemplate: `${gatewayUrl}/{guest}/{port}/` }),
      ...(options.requestTimeoutMs === undefined ? {} : { requestTimeoutMs: options.requestTimeoutMs }),
      ...options.driver,
    },
  );
  const inventory = () => pve.inventory();
  return {
    provider,
    pve,
    vmids,
    permits,
    capacityBook,
    alerts,
    faults: pve.faults,
    setDown: pve.setDown,
    createPath: '/clone$',
    calls: () => inventory().calls,
    nativeIds: () =>
      inventory()
        .guests.filter((guest) => !guest.template)
        .map((guest) => String(guest.vmid)),
    gatewayUrl,
    close: async () => {
      await http.close();
      await simulators.close();
    },
  } satisfies Rig & Record<string, unknown>;
}

export async function startMorphRig(
  options: Partial<Pick<MorphOptions, 'requestTimeoutMs' | 'deadManSeconds'>> = {},
) {
  const simulators = await startSimulators({
    morph: {
      apiKey: API_KEY,
      snapshots: [SNAPSHOT],
      latency: { startMs: 30, pauseMs: 30, resumeMs: 20, servicesMs: 20, ttlLagMs: 10 },
    },
  });
  const http = createMorphHttpClient({
    apiKey: API_KEY,
    baseUrl: simulators.morph.url,
    maxConnections: 8,
  });
  /** The same account, as another configuration sees it. */
  const reconnect = (settings: typeof options) =>
    createMorphProvider({ http }, { failureDomain: 'morph:test', simulated: true, ...settings });
  return {
    provider: reconnect(options),
    reconnect,
    morph: simulators.morph,
    faults: simulators.morph.faults,
    setDown: simulators.morph.setDown,
    createPath: '/instance$',
    calls: () => simulators.morph.inventory().calls,
    nativeIds: () => simulators.morph.inventory().instances.map((instance) => instance.id),
    gatewayUrl: simulators.gatewayUrl,
    close: async () => {
      await http.close();
      await simulators.close();
    },
  } satisfies Rig & Record<string, unknown>;
}

/** Hands out ids in order; keeps what was rejected. */
export function createTestPool(firstVmid = 20_000): VmidPool & { readonly rejected: number[] } {
  const held = new Map<string, number>();
  const rejected: number[] = [];
  let next = firstVmid;
  return {
    rejected,
    async reserve(guestId) {
      const vmid = held.get(guestId) ?? next++;
      held.set(guestId, vmid);
      return vmid;
    },
    async reject(guestId, vmid) {
      held.delete(guestId);
      rejected.push(vmid);
    },
    async giveBack(guestId) {
      held.delete(guestId);
    },
  };
}

export interface TestCall extends ProviderCall {
  /** The steps taken, in order. */
  readonly steps: string[];
}

export function testCall(signal: AbortSignal = new AbortController().signal): TestCall {
  const steps: string[] = [];
  return {
    signal,
    holder: `op-${randomBytes(4).toString('hex')}`,
    steps,
    async step(name, send) {
      steps.push(name);
      return await send(performance.now() + 2_000);
    },
  };
}

export function specFor(provider: Provider, changes: Partial<GuestSpec> = {}): GuestSpec {
  const guestId = changes.guestId ?? provider.guestIdPrefix + randomBytes(4).toString('hex');
  return {
    guestId,
    sources: {
      'pve-vm': { templates: [{ vmid: TEMPLATE.vmid, expectedName: TEMPLATE.name }] },
      'pve-lxc': { templates: [{ vmid: CT_TEMPLATE.vmid, expectedName: CT_TEMPLATE.name }] },
      morph: { snapshotId: SNAPSHOT.id },
    },
    marker: {
      deployment: 'test',
      install: 'install-1',
      sandbox: `sbx_${guestId}`,
      guest: guestId,
      operation: 'op_1',
      attempt: 1,
    },
    metadata: { app: 'cmux' },
    ...changes,
  };
}

export interface StartedGuest {
  readonly intent: GuestIntent;
  readonly ref: GuestRef;
  readonly facts: GuestFacts;
}

export async function startGuest(provider: Provider, spec = specFor(provider)): Promise<StartedGuest> {
  const call = testCall();
  const intent = await provider.prepare(spec, call);
  const created = await provider.create(intent, call);
  const facts = await provider.bringUp(intent, created, call);
  return { intent, ref: facts.ref, facts };
}

/** The failure as data; the test fails when there is none. */
export async function failureOf(work: Promise<unknown>) {
  try {
    await work;
  } catch (error) {
    if (isProviderError(error)) return error.report;
    throw error;
  }
  throw new Error('expected a ProviderError, and nothing was thrown');
}

/** The counter that a simulated guest keeps in its memory. */
export async function readCounter(facts: GuestFacts): Promise<number> {
  const reply = await fetch(facts.endpoints[0]!.url);
  return ((await reply.json()) as { counter: number }).counter;
}
