/**
 * What an operation costs beyond one bare BullMQ job. Both run in one process against one Redis, in alternating
 * rounds, so that whatever else the machine does meets both; the figures are medians over the rounds.
 *
 * One operation in four is a start; the others pause, resume and destroy the sandbox that it made. All of the
 * control plane is on: slots, claim, intent, send permit, steps, settlement, event log, history, counts, sweeps.
 */
import { loadavg } from 'node:os';
import type { RedisProducer } from '../src/producers/redis-producer.ts';
import { CALLERS, withBoth } from './both-sides.ts';
import { heapAfterCollection, measureCosts } from './measure-costs.ts';
import { median, percentile } from './statistics.ts';

const ROUNDS = 5;
/** One after the other, so that nothing waits for anything but its own work. */
const CYCLES_ALONE = 100;
/** Of each caller, while throughput is measured. */
const CYCLES_PER_CALLER = 8;
const OPERATIONS_PER_CYCLE = 4;
const HEAP_AT = { few: 2_000, many: 20_000 } as const;

export type Figures = Readonly<Record<string, number>>;

export async function benchOverhead(): Promise<Figures> {
  return withBoth(async ({ producer, bare, redis }) => {
    const heap = await measureHeap(producer);
    await runAtOnce(CYCLES_PER_CALLER * CALLERS * OPERATIONS_PER_CYCLE, bare.run);

    const rounds: Round[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const ours = () => measureSide((spent) => cycle(producer, spent), OPERATIONS_PER_CYCLE, redis.url);
      const theirs = () => measureSide((spent) => timed(spent, bare.run), 1, redis.url);
      // Who goes first changes with each round.
      if (round % 2 === 0) {
        const first = await ours();
        rounds.push({ ours: first, theirs: await theirs() });
      } else {
        const first = await theirs();
        rounds.push({ ours: await ours(), theirs: first });
      }
    }
    return { ...summarise(rounds), ...heap, loadAverage: round2(loadavg()[0] ?? 0) };
  });
}

interface Side {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The first of each run: for ours the starts, which have the longest way. */
  readonly firstP50Ms: number;
  readonly perSecond: number;
  readonly redisCalls: number;
  readonly cpuMs: number;
  readonly redisCpuMs: number;
}

interface Round {
  readonly ours: Side;
  readonly theirs: Side;
}

type Run = (spentMs: number[]) => Promise<void>;

async function measureSide(run: Run, operationsPerRun: number, redisUrl: string): Promise<Side> {
  const spentMs: number[] = [];
  const alone = (CYCLES_ALONE * OPERATIONS_PER_CYCLE) / operationsPerRun;
  const firstMs: number[] = [];
  for (let done = 0; done < alone; done += 1) {
    const ofThisRun: number[] = [];
    await run(ofThisRun);
    firstMs.push(...ofThisRun.slice(0, 1));
    spentMs.push(...ofThisRun);
  }

  const runs = (CALLERS * CYCLES_PER_CALLER * OPERATIONS_PER_CYCLE) / operationsPerRun;
  const operations = runs * operationsPerRun;
  const spent = await measureCosts(redisUrl, () => runAtOnce(runs, () => run([])));
  return {
    p50Ms: percentile(spentMs, 0.5),
    p99Ms: percentile(spentMs, 0.99),
    firstP50Ms: percentile(firstMs, 0.5),
    perSecond: (operations * 1_000) / spent.elapsedMs,
    redisCalls: spent.redisCalls / operations,
    cpuMs: spent.cpuMs / operations,
    redisCpuMs: spent.redisCpuMs / operations,
  };
}

function summarise(rounds: readonly Round[]): Figures {
  const over = (figure: (round: Round) => number) => round2(median(rounds.map(figure)));
  return {
    overheadP50: over(({ ours, theirs }) => ours.p50Ms / theirs.p50Ms),
    overheadP99: over(({ ours, theirs }) => ours.p99Ms / theirs.p99Ms),
    overheadP50OfStarts: over(({ ours, theirs }) => ours.firstP50Ms / theirs.p50Ms),
    throughputRatio: over(({ ours, theirs }) => ours.perSecond / theirs.perSecond),
    operationsPerSecond: over(({ ours }) => ours.perSecond),
    redisCallsPerOperation: over(({ ours }) => ours.redisCalls),
    cpuMsPerOperation: over(({ ours }) => ours.cpuMs),
    redisCpuMsPerOperation: over(({ ours }) => ours.redisCpuMs),
    operationMsP50: over(({ ours }) => ours.p50Ms),
    operationMsP99: over(({ ours }) => ours.p99Ms),
    bareJobMsP50: over(({ theirs }) => theirs.p50Ms),
    bareJobMsP99: over(({ theirs }) => theirs.p99Ms),
    bareJobsPerSecond: over(({ theirs }) => theirs.perSecond),
    bareRedisCallsPerJob: over(({ theirs }) => theirs.redisCalls),
    bareCpuMsPerJob: over(({ theirs }) => theirs.cpuMs),
    bareRedisCpuMsPerJob: over(({ theirs }) => theirs.redisCpuMs),
  };
}

/** Also warms everything up. */
async function measureHeap(producer: RedisProducer): Promise<Figures> {
  const until = (from: number, to: number) =>
    runAtOnce((to - from) / OPERATIONS_PER_CYCLE, () => cycle(producer, []));
  await until(0, HEAP_AT.few);
  const few = await heapAfterCollection();
  await until(HEAP_AT.few, HEAP_AT.many);
  const many = await heapAfterCollection();
  const mib = (bytes: number) => round2(bytes / 1024 / 1024);
  return { heapRatio: round2(many / few), heapMibAt2000: mib(few), heapMibAt20000: mib(many) };
}

/** One sandbox from start to destroy, each operation timed from the call to its answer. */
async function cycle(producer: RedisProducer, spentMs: number[]): Promise<void> {
  const { id } = await timed(spentMs, () => producer.start({ preset: '4vcpu_8gb_32gb' }));
  await timed(spentMs, () => producer.pause(id));
  await timed(spentMs, () => producer.resume(id));
  await timed(spentMs, () => producer.destroy(id));
}

async function timed<T>(spentMs: number[], run: () => Promise<T>): Promise<T> {
  const fromMs = performance.now();
  const result = await run();
  spentMs.push(performance.now() - fromMs);
  return result;
}

async function runAtOnce(runs: number, run: () => Promise<void>): Promise<void> {
  let left = runs;
  async function caller(): Promise<void> {
    while (left > 0) {
      left -= 1;
      await run();
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

const round2 = (value: number) => Math.round(value * 100) / 100;
