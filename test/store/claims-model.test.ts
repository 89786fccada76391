/**
 * The state machine of an operation on a real Redis against a model: workers claim, die, wake up late, write,
 * go on and settle in any order, and only the newest claim is ever obeyed.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Operation } from '../../src/core/operation.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { type Claim, ClaimLostError } from '../../src/store/claims.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';
import { submitStart } from './submitted-start.ts';

const WORKERS = ['a', 'b', 'c'] as const;
type WorkerName = (typeof WORKERS)[number];
/** No lease ends by itself here: it ends when a command says so. */
const LEASE = { leaseMs: 600_000, sendDeadlineMs: 1_000 };

interface Model {
  epoch: number;
  attempt: number;
  settled: boolean;
  /** Who holds the claim by the record; a lapsed one may be taken from its holder. */
  holder: WorkerName | undefined;
  lapsed: boolean;
  /** By whom a claim is thought to be held: its epoch, and the attempt it was for. */
  readonly beliefs: Map<WorkerName, { readonly epoch: number; readonly attempt: number }>;
}

interface Real {
  readonly operation: Operation;
  readonly claims: Map<WorkerName, Claim>;
  settlements: number;
  /** Unique per run of an attempt, as in the worker. */
  runs: number;
}

type Command = fc.AsyncCommand<Model, Real>;

let store: Store;
beforeAll(async () => {
  store = createStore(await connectRedis(sharedRedisUrl(), { role: 'worker' }), randomPrefix(), LEASE);
});
afterAll(() => store.redis.disconnect());

function isNewest(model: Readonly<Model>, worker: WorkerName): boolean {
  const belief = model.beliefs.get(worker);
  return (
    belief?.epoch === model.epoch &&
    belief.attempt === model.attempt &&
    model.holder === worker &&
    !model.settled
  );
}

function claim(worker: WorkerName): Command {
  return {
    check: () => true,
    toString: () => `${worker} claims`,
    async run(model, real) {
      real.runs += 1;
      const result = await store.claims.claim(real.operation, model.attempt, `${worker} ${real.runs}`);
      if (model.settled) expect(result.status).toBe('settled');
      else if (model.holder !== undefined && !model.lapsed) expect(result.status).toBe('held');
      else {
        if (result.status !== 'claimed') throw new Error(`not claimed: ${result.status}`);
        Object.assign(model, { epoch: model.epoch + 1, holder: worker, lapsed: false });
        expect(result.claim.epoch).toBe(model.epoch);
        model.beliefs.set(worker, { epoch: model.epoch, attempt: model.attempt });
        real.claims.set(worker, result.claim);
      }
    },
  };
}

/** Its holder died, or is frozen: the lease ends. */
const lapse: Command = {
  check: ({ holder }) => holder !== undefined,
  toString: () => 'the lease ends',
  async run(model, { operation }) {
    await store.redis.hset(store.keys.sandbox(operation.sandboxId), 'leaseUntilMs', 1);
    model.lapsed = true;
  },
};

function renew(worker: WorkerName): Command {
  return {
    check: ({ beliefs }) => beliefs.has(worker),
    toString: () => `${worker} renews`,
    async run(model, { claims }) {
      const holds = model.beliefs.get(worker)?.epoch === model.epoch && model.holder === worker;
      expect(await claims.get(worker)?.renew()).toBe(holds);
      if (holds) model.lapsed = false;
    },
  };
}

function goOn(worker: WorkerName): Command {
  const failure = { kind: 'interrupted', effect: 'unknown', message: 'gone' } as const;
  return {
    check: ({ beliefs }) => beliefs.has(worker),
    toString: () => `${worker} opens the next attempt`,
    async run(model, { claims }) {
      const next = {
        provider: 'morph',
        outcome: 'interrupted',
        failure,
        delayMs: 0,
        guestFate: 'carry',
      } as const;
      const write = store.attempts.openNextAttempt(claims.get(worker) as Claim, next, 3);
      if (!isNewest(model, worker)) return expect(write).rejects.toThrow(ClaimLostError);
      expect(await write).toBe(model.attempt + 1);
      Object.assign(model, { attempt: model.attempt + 1, holder: undefined, lapsed: false });
    },
  };
}

function settle(worker: WorkerName): Command {
  const settlement = { operation: { state: 'failed' as const }, guestFate: 'gone' as const };
  return {
    check: ({ beliefs }) => beliefs.has(worker),
    toString: () => `${worker} settles`,
    async run(model, real) {
      const write = store.attempts.settle(real.claims.get(worker) as Claim, settlement, 3);
      if (!isNewest(model, worker)) return expect(write).rejects.toThrow(ClaimLostError);
      await write;
      real.settlements += 1;
      Object.assign(model, { settled: true, holder: undefined, lapsed: false });
    },
  };
}

const worker = fc.constantFrom(...WORKERS);
const histories = fc.commands(
  [
    worker.map(claim),
    worker.map(claim),
    fc.constant(lapse),
    worker.map(renew),
    worker.map(goOn),
    worker.map(settle),
  ],
  { maxCommands: 40 },
);

test('under any history only the newest claim is obeyed, epochs only rise, and an operation settles once', async () => {
  await fc.assert(
    fc.asyncProperty(histories, async (commands) => {
      const operation = await submitStart(store);
      const model: Model = {
        epoch: 0,
        attempt: 1,
        settled: false,
        holder: undefined,
        lapsed: false,
        beliefs: new Map(),
      };
      const real: Real = { operation, claims: new Map(), settlements: 0, runs: 0 };
      await fc.asyncModelRun(() => ({ model, real }), commands);
      const after = await store.reading.operation(operation.id);
      expect(after?.attempts).toHaveLength(model.attempt);
      expect(after?.state === 'failed').toBe(model.settled);
      expect(real.settlements).toBe(model.settled ? 1 : 0);
      expect((await store.reading.sandbox(operation.sandboxId))?.epoch).toBe(model.epoch);
    }),
    { numRuns: 60 },
  );
});
