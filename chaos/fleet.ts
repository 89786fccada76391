/** The worker processes: how many are up, who dies, who is frozen, and which claims they held then. */
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { SystemOptions } from '../src/main/system.ts';
import { startWorkerProcess, type WorkerProcess } from '../test/support/worker-process.ts';
import type { HeldClaim } from './claims-held.ts';

export interface Fleet {
  /** Brings the number of workers up to the wanted one. */
  start(): Promise<void>;
  /** SIGKILL for a worker that holds a claim, another one when it did not any more. Returns what it died with; empty when nobody held any in time. */
  kill(pick: number): Promise<readonly HeldClaim[]>;
  /** SIGSTOP for a worker that holds a claim, SIGCONT after `forMs`. `onFrozen` gets what it held. */
  freeze(pick: number, forMs: number, onFrozen: (held: readonly HeldClaim[]) => void): Promise<void>;
  /** Ends that nobody ordered. */
  readonly crashes: () => number;
  readonly kills: () => number;
  readonly freezes: () => number;
  close(): Promise<void>;
}

export interface FleetDeps {
  readonly options: SystemOptions;
  readonly size: number;
  readonly readClaims: () => Promise<readonly HeldClaim[]>;
  /** A worker that cannot start while Redis is away is no crash. */
  readonly isRedisDown: () => boolean;
}

interface Worker {
  readonly process: WorkerProcess;
  readonly name: string;
  /** Killed or frozen by us: no victim any more, and its end no crash. */
  doomed: boolean;
}

/** How long a kill waits for somebody to hold a claim. */
const VICTIM_WITHIN_MS = 8_000;
/** A victim may have ended its attempt just before it is hit; on a busy machine that is not rare. */
const HITS_PER_ORDER = 4;
const LOOK_AGAIN_MS = 50;

export function createFleet({ options, size, readClaims, isRedisDown }: FleetDeps): Fleet {
  const workers = new Set<Worker>();
  const counts = { crashes: 0, kills: 0, freezes: 0 };
  const spawning = new Set<Promise<void>>();
  let closed = false;

  function spawnOne(): Promise<void> {
    const spawned = spawnUntilUp().finally(() => spawning.delete(spawned));
    spawning.add(spawned);
    return spawned;
  }

  async function spawnUntilUp(): Promise<void> {
    while (!closed) {
      try {
        const started = await startWorkerProcess(options);
        const worker: Worker = {
          process: started,
          name: `${hostname()}:${started.child.pid}`,
          doomed: false,
        };
        if (closed) return await started.end();
        workers.add(worker);
        started.child.once('exit', () => {
          workers.delete(worker);
          if (closed) return;
          if (!worker.doomed) counts.crashes += 1;
          void spawnOne();
        });
        return;
      } catch {
        // It gave up while it started, which is right while Redis is away.
        if (!isRedisDown()) counts.crashes += 1;
        await delay(LOOK_AGAIN_MS);
      }
    }
  }

  /** A worker that holds a claim now, as good as nobody else sees it. */
  async function findVictim(pick: number): Promise<Worker | undefined> {
    const giveUpAtMs = performance.now() + VICTIM_WITHIN_MS;
    while (!closed && performance.now() < giveUpAtMs) {
      const holders = new Set((await readClaims()).map(({ holder }) => holder));
      const victims = [...workers].filter((worker) => !worker.doomed && holders.has(worker.name));
      const victim = victims[Math.floor(pick * victims.length)];
      if (victim) {
        victim.doomed = true;
        return victim;
      }
      await delay(LOOK_AGAIN_MS);
    }
    return undefined;
  }

  const heldBy = async ({ name }: Worker) => (await readClaims()).filter(({ holder }) => holder === name);

  return {
    async start() {
      await Promise.all(Array.from({ length: size }, spawnOne));
    },
    async kill(pick) {
      for (let hit = 0; hit < HITS_PER_ORDER; hit += 1) {
        const victim = await findVictim(pick);
        if (victim === undefined) break;
        await victim.process.end();
        // Read when it can change nothing any more: exactly what it died with.
        const held = await heldBy(victim);
        if (held.length === 0) continue;
        counts.kills += 1;
        return held;
      }
      return [];
    },
    async freeze(pick, forMs, onFrozen) {
      for (let hit = 0; hit < HITS_PER_ORDER; hit += 1) {
        const victim = await findVictim(pick);
        if (victim === undefined) return;
        victim.process.child.kill('SIGSTOP');
        await victim.process.untilSignalled();
        const held = await heldBy(victim);
        if (held.length > 0) {
          counts.freezes += 1;
          onFrozen(held);
          await delay(forMs);
        }
        victim.process.thaw();
        victim.doomed = false;
        if (held.length > 0) return;
      }
    },
    crashes: () => counts.crashes,
    kills: () => counts.kills,
    freezes: () => counts.freezes,
    async close() {
      closed = true;
      // One that is just starting would be left behind, waiting for a Redis that is gone.
      await Promise.all(spawning);
      await Promise.all([...workers].map((worker) => worker.process.end()));
    },
  };
}
