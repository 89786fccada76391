/** A whole system for tests: real Redis, real workers in this process, simulators over real HTTP. */
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import type { RoutingPolicy } from '../../src/core/route.ts';
import type { Preset } from '../../src/core/start-request.ts';
import {
  type Backends,
  type LocalSimulatorOptions,
  type LocalSimulators,
  simulatedBackends,
  startLocalSimulators,
} from '../../src/main/backends.ts';
import { type RecoveryTiming, type System, type SystemOptions, startSystem } from '../../src/main/system.ts';
import { loadConfig } from '../../src/platform/config.ts';
import { createProducer, type RedisProducer } from '../../src/producers/redis-producer.ts';
import { sharedRedisUrl } from './redis.ts';

/** The same mechanisms as in production, about ten times as fast. */
export const FAST_RECOVERY: RecoveryTiming = {
  lease: { leaseMs: 1_000, sendDeadlineMs: 300 },
  lockMs: 1_000,
  stalledCheckMs: 500,
  sweepEveryMs: 250,
};

export const PRESET = '4vcpu_8gb_32gb';

/** No test meets the capacity of its node by accident. */
const ROOMY_NODE_MIB = 1024 * 1024;

/** The simulators' latencies, a hundred times as fast. */
export const FAST_LATENCY = {
  pve: { cloneMs: 60, startMs: 60, suspendMs: 80, resumeMs: 50, stopMs: 20, destroyMs: 20, servicesMs: 30 },
  morph: { startMs: 50, pauseMs: 50, resumeMs: 30, servicesMs: 20 },
};

export interface TestSystemOptions {
  /** Workers in this process; false when the test starts processes of its own. */
  readonly workers?: boolean;
  readonly routing?: RoutingPolicy;
  readonly timing?: Partial<SystemOptions['timing']>;
  readonly recovery?: RecoveryTiming;
  readonly latency?: LocalSimulatorOptions['latency'];
  /** What the simulators held when they wrote it. */
  readonly dataFile?: string;
  readonly redisUrl?: string;
  /** Default: a name of its own. */
  readonly deployment?: string;
  readonly nodeMemoryMib?: number;
  /** At the simulated Proxmox, besides those of the presets. */
  readonly templates?: LocalSimulatorOptions['templates'];
  /** Whether containers get a token for cmux's exec daemon. Default false. */
  readonly execToken?: boolean;
  /** Whether the clocks of VMs are set when they wake. Default false. */
  readonly setClock?: boolean;
  readonly secretsKey?: string;
  readonly onStep?: SystemOptions['onStep'];
  readonly webhook?: SystemOptions['webhook'];
  /** The clock of decisions. */
  readonly nowMs?: () => number;
  /** The simulated providers' clock. */
  readonly simulatorNowMs?: () => number;
  readonly concurrency?: SystemOptions['concurrency'];
  readonly idlePolicy?: SystemOptions['idlePolicy'];
  /** False when the test runs the sweeps itself. */
  readonly sweeps?: boolean;
  readonly budgets?: SystemOptions['budgets'];
  readonly priceBook?: SystemOptions['priceBook'];
  readonly ledgerDir?: SystemOptions['ledgerDir'];
}

export interface TestSystem {
  readonly simulators: LocalSimulators;
  readonly options: SystemOptions;
  readonly system: System;
  readonly producer: RedisProducer;
  /** Living guests at the simulated Proxmox, templates left out. */
  readonly vms: () => ReturnType<LocalSimulators['pve']['inventory']>['guests'];
  readonly instances: () => ReturnType<LocalSimulators['morph']['inventory']>['instances'];
  close(): Promise<void>;
}

export async function startTestSystem(test: TestSystemOptions = {}): Promise<TestSystem> {
  const config = loadConfig({});
  const presets: readonly Preset[] = config.presets;
  const latency = { ...FAST_LATENCY, ...test.latency };
  const simulators = await startLocalSimulators(config, {
    latency,
    nodeMemoryMib: test.nodeMemoryMib ?? ROOMY_NODE_MIB,
    ...(test.templates ? { templates: test.templates } : {}),
    ...(test.simulatorNowMs ? { nowMs: test.simulatorNowMs } : {}),
    ...(test.dataFile ? { dataFile: test.dataFile } : {}),
  });
  const { pve, ...others } = simulatedBackends(simulators);
  const backends: Backends = {
    ...others,
    ...(pve && { pve: { ...pve, execToken: test.execToken === true, setClock: test.setClock === true } }),
  };
  const options: SystemOptions = {
    redis: { url: test.redisUrl ?? sharedRedisUrl(), durability: 'managed' },
    deployment: test.deployment ?? `test-${randomBytes(6).toString('hex')}`,
    backends,
    routing: test.routing ?? { primary: 'pve-vm', fallbacks: ['morph'], byWorkload: {} },
    presets,
    concurrency: test.concurrency ?? { perWorker: 16, perProvider: 64 },
    timing: {
      unknownHoldMs: 1_000,
      cloneTimeoutMs: 20_000,
      permitWaitMs: 20_000,
      usableTimeoutMs: 5_000,
      startDeadlineMs: 60_000,
      ...test.timing,
    },
    log: pino({ level: process.env.TEST_LOG ?? 'silent' }),
    recovery: test.recovery ?? FAST_RECOVERY,
    requestTimeoutMs: 2_000,
    ...(test.secretsKey ? { secretsKey: test.secretsKey } : {}),
    ...(test.onStep ? { onStep: test.onStep } : {}),
    ...(test.nowMs ? { nowMs: test.nowMs } : {}),
    ...(test.idlePolicy ? { idlePolicy: test.idlePolicy } : {}),
    ...(test.webhook ? { webhook: test.webhook } : {}),
    ...(test.budgets ? { budgets: test.budgets } : {}),
    ...(test.priceBook ? { priceBook: test.priceBook } : {}),
    ...(test.ledgerDir ? { ledgerDir: test.ledgerDir } : {}),
  };
  const system = await startSystem({
    ...options,
    roles: test.workers === false ? [] : test.sweeps === false ? ['workers'] : ['workers', 'sweeps'],
  });
  return {
    simulators,
    options,
    system,
    producer: createProducer(system.store, system.submitter, undefined, test.nowMs),
    vms: () => simulators.pve.inventory().guests.filter((guest) => !guest.template),
    instances: () => simulators.morph.inventory().instances,
    async close() {
      await system.close();
      await simulators.close();
    },
  };
}

/** The counter that a simulated guest keeps in its memory. */
export async function readCounter(url: string | undefined): Promise<number> {
  if (url === undefined) throw new Error('the sandbox has no such endpoint');
  const reply = await fetch(url);
  return ((await reply.json()) as { counter: number }).counter;
}
