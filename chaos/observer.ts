/** Watches a run while it goes on: recoveries, duplicates and guests nobody answers for show themselves then. */
import { createQueues } from '../src/queues/queues.ts';
import type { Store } from '../src/store/store.ts';
import type { Callers } from './callers.ts';
import type { ChaosRedis } from './chaos-redis.ts';
import {
  type Finding,
  judge,
  leakedAmong,
  observeUnanswered,
  type Unanswered,
  type Verdict,
} from './checker.ts';
import type { LedgerVerdict } from './ledger-error.ts';
import { judgeLedgerOf, watchLedger } from './ledger-watch.ts';
import { type Recoveries, watchRecoveries } from './recoveries.ts';
import { readRegistry } from './registry.ts';
import type { World } from './world.ts';

export interface Observer {
  readonly recoveries: Recoveries;
  /** How far the ledger is from the providers' meters now, and how far it may be. */
  judgeLedgerNow(): Promise<LedgerVerdict>;
  /** Reads inventory and records now; what it finds is remembered. */
  judgeNow(): Promise<Verdict>;
  /** Found at any time, each once. */
  readonly duplicates: () => readonly Finding[];
  readonly leaked: () => readonly Finding[];
  /** Guests that nobody answers for, and not for as long as the grace. */
  readonly waitsForGrace: () => boolean;
  stop(): Promise<void>;
}

export interface ObserverDeps {
  readonly store: Store;
  readonly world: World;
  readonly callers: Callers;
  readonly redis: ChaosRedis;
  readonly atWork: () => number;
  readonly graceMs: number;
}

/** A claim is written once and may be released soon after: its time is read, so that the poll adds nothing. */
const LOOK_EVERY_MS = 250;
/** Every this many looks the inventory is judged too. */
const JUDGE_EVERY = 8;

export function startObserver({ store, world, callers, redis, atWork, graceMs }: ObserverDeps): Observer {
  const queues = createQueues(store.redis, store.keys);
  const recoveries = watchRecoveries({ store, queues, atWork, awayMs: redis.awayMs });
  const ledger = watchLedger(store);
  const duplicates = new Map<string, Finding>();
  const leaked = new Map<string, Finding>();
  let unanswered: Unanswered = new Map();
  let looks = 0;
  let running = Promise.resolve();

  async function judgeNow(): Promise<Verdict> {
    const seen = await world.inventory();
    const verdict = judge(seen, await readRegistry(store, seen, callers.accepted), callers.accepted);
    const now = Date.now();
    for (const finding of verdict.duplicates) duplicates.set(finding.id, finding);
    unanswered = observeUnanswered(unanswered, verdict, now);
    for (const finding of leakedAmong(unanswered, now, graceMs, redis.awayMs))
      leaked.set(finding.id, finding);
    return verdict;
  }

  async function look(): Promise<void> {
    if (redis.isDown()) return;
    await recoveries.look();
    await ledger.look();
    looks += 1;
    if (looks % JUDGE_EVERY === 0) await judgeNow();
  }

  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    running = look()
      .catch((error: unknown) => void process.stderr.write(`could not look: ${String(error)}\n`))
      .finally(() => {
        busy = false;
      });
  }, LOOK_EVERY_MS);

  return {
    recoveries,
    judgeNow,
    judgeLedgerNow: () => judgeLedgerOf(ledger, store, world),
    duplicates: () => [...duplicates.values()],
    leaked: () => [...leaked.values()],
    waitsForGrace: () => [...unanswered.keys()].some((id) => !leaked.has(id)),
    async stop() {
      clearInterval(timer);
      await running;
      await queues.close();
    },
  };
}
