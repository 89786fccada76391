/**
 * One chaos run: workers in their own processes, a real Redis, the simulators apart from both. The schedule
 * is carried out, then all trouble ends, and within a minute everything has to have come to rest: inventory,
 * records and promises agree.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { percentile } from '../bench/statistics.ts';
import type { SystemOptions } from '../src/main/system.ts';
import { loadConfig } from '../src/platform/config.ts';
import { connectRedis } from '../src/platform/redis.ts';
import { createStore, type Store } from '../src/store/store.ts';
import { type Callers, startCallers } from './callers.ts';
import { type ChaosRedis, startChaosRedis } from './chaos-redis.ts';
import type { Finding, Verdict } from './checker.ts';
import { readHeldClaims } from './claims-held.ts';
import { createFleet, type Fleet } from './fleet.ts';
import { type Observer, startObserver } from './observer.ts';
import { planChaos, type ScheduledAction } from './schedule.ts';
import { startWorld, type World } from './world.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly durationMs: number;
  readonly tell: (line: string) => void;
}

export interface ChaosResult {
  readonly seed: number;
  readonly minutes: number;
  readonly operations: number;
  readonly succeeded: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly leaked: number;
  readonly unsettled: number;
  readonly kills: number;
  readonly freezes: number;
  readonly redisRestarts: number;
  readonly lostReplies: number;
  /** Of the requests that change something at a provider. */
  readonly lostReplyShare: number;
  readonly faults: number;
  readonly stuck: number;
  readonly drifted: number;
  readonly recoveryP95Ms: number;
  readonly recoverySamples: number;
  readonly recoverySlowestMs: number;
  /** What the providers' meters charge, how far the ledger is from it, and what delays of detection explain. */
  readonly ledgerMeteredMicroUsd: number;
  readonly ledgerErrorMicroUsd: number;
  readonly ledgerBoundMicroUsd: number;
  /** The longest stretch in which it was apart from one guest, and on how many guests such a stretch was too long. */
  readonly ledgerLongestDelayMs: number;
  readonly ledgerDelays: number;
  readonly settledWithinMs: number;
  readonly refused: number;
  readonly unexpected: number;
  readonly crashes: number;
  /** What is behind each figure that should be 0. */
  readonly findings: Readonly<Record<string, readonly Finding[]>>;
}

const DEPLOYMENT = 'chaos';
const WORKERS = 4;
/** A guest that nobody answers for may be on its way from one hand to the next, but not for longer. */
const GRACE_MS = 20_000;
/** From the end of all trouble until everything has to be at rest. */
const SETTLE_WITHIN_MS = 60_000;
const SETTLE_LOOK_MS = 500;

/** Lease, locks and sweeps are those of production; patience with machines is shorter, as they are faster. */
const TIMING: SystemOptions['timing'] = {
  unknownHoldMs: 10_000,
  cloneTimeoutMs: 45_000,
  permitWaitMs: 30_000,
  usableTimeoutMs: 20_000,
  startDeadlineMs: 120_000,
};
const REQUEST_TIMEOUT_MS = 5_000;

interface Parts {
  readonly world: World;
  readonly redis: ChaosRedis;
  readonly store: Store;
  readonly fleet: Fleet;
  readonly callers: Callers;
  readonly observer: Observer;
}

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const closers: (() => Promise<void> | void)[] = [];
  try {
    const parts = await startParts(options, closers);
    const { world, fleet, observer, callers } = parts;
    await world.makeTrouble();
    await carryOut(planChaos(options.seed, options.durationMs), parts, options.tell);
    const trouble = await world.endTrouble();
    options.tell('all trouble has ended');
    const endedAtMs = performance.now();
    const verdict = await untilAtRest(parts, options.tell);
    const settledWithinMs = Math.round(performance.now() - endedAtMs);
    const drifted = verdict.drifted;
    await Promise.all(drifted.map(({ id }) => callers.refresh(id)));
    const after = drifted.length === 0 ? verdict : await observer.judgeNow();
    const ledger = await observer.judgeLedgerNow();
    const findings = {
      lost: after.lost,
      duplicates: [...observer.duplicates(), ...callers.doubled],
      leaked: observer.leaked(),
      unsettled: [...after.unsettled, ...after.drifted],
      stuck: after.stuck,
      drifted,
      ledger: ledger.findings,
      ledgerDelays: ledger.delays,
      unexpected: callers.unexpected,
      slow: observer.recoveries.slow,
    };
    const { samplesMs } = observer.recoveries;
    return {
      seed: options.seed,
      minutes: options.durationMs / 60_000,
      ...(await countOperations(parts)),
      lost: findings.lost.length,
      duplicates: findings.duplicates.length,
      leaked: findings.leaked.length,
      unsettled: findings.unsettled.length,
      kills: fleet.kills(),
      freezes: fleet.freezes(),
      redisRestarts: parts.redis.restarts(),
      ...trouble,
      stuck: findings.stuck.length,
      drifted: drifted.length,
      recoveryP95Ms: Math.round(percentile(samplesMs, 0.95)),
      recoverySamples: samplesMs.length,
      recoverySlowestMs: Math.round(Math.max(0, ...samplesMs)),
      ledgerMeteredMicroUsd: ledger.meteredMicroUsd,
      ledgerErrorMicroUsd: ledger.errorMicroUsd,
      ledgerBoundMicroUsd: ledger.boundMicroUsd,
      ledgerLongestDelayMs: ledger.longestDelayMs,
      ledgerDelays: findings.ledgerDelays.length,
      settledWithinMs,
      refused: callers.refused(),
      unexpected: findings.unexpected.length,
      crashes: fleet.crashes(),
      findings,
    };
  } finally {
    for (const closer of closers.reverse()) await closer();
  }
}

async function startParts({ seed }: ChaosOptions, closers: (() => Promise<void> | void)[]): Promise<Parts> {
  const redis = await startChaosRedis();
  closers.push(redis.stop);
  const world = await startWorld(seed);
  closers.push(world.close);
  const connection = await connectRedis(redis.url, { role: 'worker' });
  closers.push(() => connection.disconnect());
  const store = createStore(connection, DEPLOYMENT);
  const fleet = createFleet({
    options: systemOptions(redis.url, world),
    size: WORKERS,
    readClaims: () => readHeldClaims(store),
    isRedisDown: redis.isDown,
  });
  closers.push(fleet.close);
  await fleet.start();
  const callers = await startCallers(redis.url, DEPLOYMENT);
  closers.push(callers.close);
  const observer = startObserver({
    ...{ store, world, callers, redis },
    atWork: fleet.atWork,
    graceMs: GRACE_MS,
  });
  closers.push(observer.stop);
  return { world, redis, store, fleet, callers, observer };
}

function systemOptions(redisUrl: string, { backends }: World): SystemOptions {
  return {
    redis: { url: redisUrl, durability: 'aof' },
    deployment: DEPLOYMENT,
    backends,
    routing: { primary: 'pve-vm', fallbacks: ['pve-lxc', 'morph'], byWorkload: {} },
    presets: loadConfig({}).presets,
    concurrency: { perWorker: 8, perProvider: 16 },
    timing: TIMING,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    log: pino({ level: 'silent' }),
  };
}

async function carryOut(
  schedule: readonly ScheduledAction[],
  parts: Parts,
  tell: (line: string) => void,
): Promise<void> {
  const startedAtMs = performance.now();
  const running = new Set<Promise<void>>();
  for (const action of schedule) {
    await delay(Math.max(0, startedAtMs + action.atMs - performance.now()));
    const done = act(action, parts, tell)
      .catch((error: unknown) => tell(`${action.do} failed: ${String(error)}`))
      .finally(() => running.delete(done));
    running.add(done);
  }
  await Promise.all(running);
}

async function act(
  action: ScheduledAction,
  { fleet, redis, world, callers, observer }: Parts,
  tell: (line: string) => void,
): Promise<void> {
  const at = `${Math.round(action.atMs / 1_000)} s`;
  switch (action.do) {
    case 'ask':
      return callers.ask(action.asked, action.twice);
    case 'kill': {
      const held = await fleet.kill(action.pick);
      observer.recoveries.expect(held, Date.now());
      return tell(`${at}: killed a worker with ${held.length} claims`);
    }
    case 'freeze':
      return fleet.freeze(action.pick, action.forMs, (held) => {
        observer.recoveries.expect(held, Date.now());
        tell(`${at}: froze a worker with ${held.length} claims for ${action.forMs} ms`);
      });
    case 'restart-redis':
      tell(`${at}: Redis is killed, back in ${action.downMs} ms`);
      return redis.restart(action.downMs);
    case 'take-down':
      tell(`${at}: ${action.target} is down for ${action.forMs} ms`);
      await world.takeDown(action.target, true);
      await delay(action.forMs);
      return world.takeDown(action.target, false);
  }
}

async function untilAtRest({ observer }: Parts, tell: (line: string) => void): Promise<Verdict> {
  const giveUpAtMs = performance.now() + SETTLE_WITHIN_MS;
  for (;;) {
    const verdict = await observer.judgeNow();
    const atRest = verdict.unsettled.length === 0 && verdict.unanswered.length === 0;
    if (atRest && observer.recoveries.open().length === 0) return verdict;
    const isOver = performance.now() >= giveUpAtMs;
    // A guest that turned up last has its grace, too.
    if (isOver && !(verdict.unsettled.length === 0 && observer.waitsForGrace())) return verdict;
    if (isOver) tell('waiting for the grace of a guest that nobody answers for');
    await delay(SETTLE_LOOK_MS);
  }
}

async function countOperations({ store, callers }: Parts) {
  const ids = [...new Set(callers.accepted.map(({ operationId }) => operationId))];
  const operations = await Promise.all(ids.map((id) => store.reading.operation(id)));
  return {
    operations: ids.length,
    succeeded: operations.filter((operation) => operation?.state === 'succeeded').length,
  };
}
