/** The worker processes: how many are up, who dies, who is frozen, and which claims they held then. */
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { SystemOptions } from '../src/main/system.ts';
import { startWorkerProcess, type WorkerProcess } from '../test/support/worker-process.ts';
import type { HeldClaim } from './claims-held.ts';

export interface Fleet {
  /** Brings the number of workers up to the wanted one. */
  start(): Promise<void>;
  /** SIGKILL for a worker that holds a claim. Returns what it died with; empty when nobody held any in time. */
  kill(pick: number): Promise<readonly HeldClaim[]>;
  /** SIGSTOP for a worker that holds a claim, SIGCONT after `forMs`. `onFrozen` gets what it holds. */
  freeze(pick: number, forMs: number, onFrozen: (held: readonly HeldClaim[]) => void): Promise<void>;
  /** Workers that are up and not frozen. */
  readonly atWork: () => number;
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

interface Caught {
  readonly victim: Worker;
  readonly held: readonly HeldClaim[];
}

/** How long a kill waits for somebody to hold a claim, and for another worker to be up. */
const VICTIM_WITHIN_MS = 20_000;
/**
 * What is promised is that another worker carries on, so one is left. With nobody left the run would measure how long
 * Node takes to start: on a busy machine longer than a kill takes to come.
 */
const LEFT_AT_WORK = 1;
/**
 * A victim may have ended its attempt just before it is caught; on a busy machine that is not rare. It is let go
 * again: each worker that died for nothing would leave the fleet one short while the next one starts.
 */
const HITS_PER_ORDER = 20;
const LOOK_AGAIN_MS = 50;

export function createFleet({ options, size, readClaims, isRedisDown }: FleetDeps): Fleet {
  const workers = new Set<Worker>();
  const counts = { crashes: 0, kills: 0, freezes: 0 };
  const spawning = new Set<Promise<void>>();
  let closed = false;
  const atWork = () => [...workers].filter(({ doomed }) => !doomed);

  function spawnOne(): Promise<void> {
    const spawned = spawnUntilUp().finally(() => spawning.delete(spawned));
    spawning.add(spawned);
    return spawned;
  }

  async function spawnUntilUp(): Promise<void> {
    while (!closed) {
      try {
        const started = await startWorkerProcess(options);
        const name = `${hostname()}:${started.child.pid}`;
        const worker: Worker = { process: started, name, doomed: false };
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
      const victims = atWork().filter(({ name }) => holders.has(name));
      const victim = victims[Math.floor(pick * victims.length)];
      if (victim && atWork().length > LEFT_AT_WORK) {
        victim.doomed = true;
        return victim;
      }
      await delay(LOOK_AGAIN_MS);
    }
    return undefined;
  }

  /** Stops a worker that holds a claim: what it holds can change no more, and is read exactly. */
  async function catchHolder(pick: number): Promise<Caught | undefined> {
    for (let hit = 0; hit < HITS_PER_ORDER; hit += 1) {
      const victim = await findVictim(pick);
      if (victim === undefined) return undefined;
      victim.process.child.kill('SIGSTOP');
      await victim.process.untilSignalled();
      const held = (await readClaims()).filter(({ holder }) => holder === victim.name);
      if (held.length > 0) return { victim, held };
      letGo(victim);
    }
    return undefined;
  }

  return {
    async start() {
      await Promise.all(Array.from({ length: size }, spawnOne));
    },
    async kill(pick) {
      const caught = await catchHolder(pick);
      await caught?.victim.process.end();
      if (caught) counts.kills += 1;
      return caught?.held ?? [];
    },
    async freeze(pick, forMs, onFrozen) {
      const caught = await catchHolder(pick);
      if (caught === undefined) return;
      counts.freezes += 1;
      onFrozen(caught.held);
      await delay(forMs);
      letGo(caught.victim);
    },
    atWork: () => atWork().length,
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

function letGo(victim: Worker): void {
  victim.process.thaw();
  victim.doomed = false;
}
