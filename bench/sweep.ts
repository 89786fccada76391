/**
 * Whether a pass of `idle-suspend` costs what is due, or what is there. Two fleets, each on a Redis of its own,
 * differ in size alone: as many sandboxes are due in both, and passes over them alternate.
 */
import { loadavg } from 'node:os';
import { pino } from 'pino';
import { DEFAULT_IDLE_POLICY, type IdlePolicy } from '../src/core/idle-policy.ts';
import { type System, startSystem } from '../src/main/system.ts';
import { loadConfig } from '../src/platform/config.ts';
import { createProducer } from '../src/producers/redis-producer.ts';
import type { SweepDeps } from '../src/workers/sweep.ts';
import { idleSuspend } from '../src/workers/sweeps/idle-suspend.ts';
import { copySandbox, inPipelines } from './fill.ts';
import { createInstantProvider } from './instant-provider.ts';
import type { Figures } from './overhead.ts';
import { startOwnRedis } from './own-redis.ts';
import { median } from './statistics.ts';

const FLEETS = { few: 1_000, many: 100_000 } as const;
const DUE = 500;
/** More than the five that a median needs: a pass takes a fraction of a second, and others use the machine. */
const ROUNDS = 11;
const MINUTE_MS = 60_000;
/** As far apart as two looks may be, until all that is due has idled for its quarter of an hour. */
const WARM_UP_PASSES = 5;
const WARM_UP_STEP_MS = 4 * MINUTE_MS;
/** Those that are not due come up after the benchmark has ended. */
const NOT_DUE_FOR_MS = 24 * 60 * MINUTE_MS;
/** The process holds two connections and one batch at a time: far less than the records of the larger fleet. */
const MAX_PEAK_MEMORY_MIB = 384;

export async function benchSweep(): Promise<Figures> {
  const closers: (() => Promise<void>)[] = [];
  const open = async (size: number) => {
    const fleet = await openFleet(size);
    closers.push(fleet.close);
    return fleet;
  };
  try {
    const few = await open(FLEETS.few);
    const many = await open(FLEETS.many);
    for (let pass = 0; pass < WARM_UP_PASSES; pass += 1) {
      await few.pass(WARM_UP_STEP_MS);
      await many.pass(WARM_UP_STEP_MS);
    }
    if (few.judged() !== DUE || many.judged() !== DUE) throw new Error('not all that idles was judged idle');
    const rounds: { readonly fewMs: number; readonly manyMs: number }[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      // Who goes first changes with each round.
      const fewFirst = round % 2 === 0 ? await few.pass(MINUTE_MS) : undefined;
      const manyMs = await many.pass(MINUTE_MS);
      rounds.push({ fewMs: fewFirst ?? (await few.pass(MINUTE_MS)), manyMs });
    }
    const peakMemoryMib = Math.round(process.resourceUsage().maxRSS / 1024);
    if (peakMemoryMib > MAX_PEAK_MEMORY_MIB) {
      throw new Error(`the process took ${peakMemoryMib} MiB, more than ${MAX_PEAK_MEMORY_MIB}`);
    }
    return {
      sweepRatio: round2(median(rounds.map(({ fewMs, manyMs }) => manyMs / fewMs))),
      sweepMsAt1000: round2(median(rounds.map(({ fewMs }) => fewMs))),
      sweepMsAt100000: round2(median(rounds.map(({ manyMs }) => manyMs))),
      sweepDue: DUE,
      peakMemoryMib,
      sweepRedisMemoryMibAt1000: await few.redisMemoryMib(),
      sweepRedisMemoryMibAt100000: await many.redisMemoryMib(),
      loadAverage: round2(loadavg()[0] ?? 0),
    };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** Nobody reads counters here: what is silent counts as idle after a quarter of an hour too. */
const POLICY: IdlePolicy = {
  ...DEFAULT_IDLE_POLICY,
  mode: 'shadow',
  unknownAfterMs: DEFAULT_IDLE_POLICY.afterMs,
};

interface Fleet {
  /** Lets time pass, then runs the sweep once; how long that took, in ms. */
  pass(stepMs: number): Promise<number>;
  /** How many it would have suspended so far. */
  judged(): number;
  redisMemoryMib(): Promise<number>;
  close(): Promise<void>;
}

async function openFleet(size: number): Promise<Fleet> {
  const config = loadConfig({});
  const log = pino({ level: 'error' }, pino.destination(2));
  const redis = await startOwnRedis();
  let aheadMs = 0;
  const nowMs = () => Date.now() + aheadMs;
  const system = await startSystem({
    ...config,
    redis: { url: redis.url, durability: 'aof' },
    backends: {},
    drivers: [createInstantProvider()],
    roles: ['workers'],
    nowMs,
    log,
  }).catch(async (error: unknown) => {
    await redis.stop();
    throw error;
  });
  const close = async () => {
    await system.close();
    await redis.stop();
  };
  try {
    await fill(system, size, nowMs());
    const { timing, deployment } = config;
    const { store, queues, submitter } = system;
    const deps: SweepDeps = {
      ...{ store, queues, submitter, log, nowMs, deployment, timing: { ...timing, lease: LEASE } },
      providers: [],
      idlePolicy: POLICY,
    };
    let wouldSuspend = 0;
    return {
      async pass(stepMs) {
        aheadMs += stepMs;
        const fromMs = performance.now();
        const counts = await idleSuspend(deps, {
          dryRun: false,
          signal: new AbortController().signal,
        });
        const tookMs = performance.now() - fromMs;
        wouldSuspend += counts.wouldSuspend;
        if (counts.looked !== DUE || counts.failed > 0) {
          throw new Error(`not what is measured: ${JSON.stringify(counts)}`);
        }
        return tookMs;
      },
      judged: () => wouldSuspend,
      redisMemoryMib: () => redisMemoryMib(system),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** No attempt runs while passes are measured. */
const LEASE = { leaseMs: 10_000, sendDeadlineMs: 2_000 };

async function fill({ store, submitter }: System, size: number, nowMs: number): Promise<void> {
  const { redis, keys } = store;
  const { id } = await createProducer(store, submitter).start({ preset: '4vcpu_8gb_32gb' });
  await store.activity.touch([id], 'the one that all are copied from', nowMs);
  const sandbox = await store.reading.sandbox(id);
  if (sandbox === undefined) throw new Error(`${id} has no record`);
  const ids = await copySandbox(redis, sandbox, size - 1);
  await inPipelines(redis, [id, ...ids.slice(DUE)], (pipeline, other) =>
    pipeline.zadd(keys.idleDue, nowMs + NOT_DUE_FOR_MS, other),
  );
}

async function redisMemoryMib({ store }: Pick<System, 'store'>): Promise<number> {
  const info = await store.redis.info('memory');
  return Math.round(Number(/^used_memory:(\d+)/m.exec(info)?.[1] ?? Number.NaN) / 1024 / 1024);
}

const round2 = (value: number) => Math.round(value * 100) / 100;
