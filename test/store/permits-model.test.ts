/** Permits on a real Redis against a model of a counter and a line, under random histories. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Permits } from '../../src/core/ports.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { createPermits } from '../../src/store/permits.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { randomPrefix, sharedRedisUrl } from '../support/redis.ts';

const LIMIT = 2;
const HOLDERS = ['a', 'b', 'c', 'd', 'e'] as const;

interface Model {
  readonly holders: Set<string>;
  line: string[];
  /** Operations that are over: a turn that comes to one passes on. */
  readonly over: Set<string>;
}

interface Real {
  readonly permits: Permits;
  readonly name: string;
  readonly over: Set<string>;
}

let store: Store;
beforeAll(async () => {
  store = createStore(await connectRedis(sharedRedisUrl(), { role: 'worker' }), randomPrefix());
});
afterAll(() => store.redis.disconnect());

/** The line is in order of Redis's milliseconds: two that come in the same one have no order. */
async function nextMillisecond(): Promise<void> {
  const now = async () => {
    const [seconds, micros] = await store.redis.time();
    return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
  };
  const before = await now();
  while ((await now()) === before);
}

class Take implements fc.AsyncCommand<Model, Real> {
  readonly holder: string;
  constructor(holder: string) {
    this.holder = holder;
  }
  check = ({ over }: Readonly<Model>) => !over.has(this.holder);
  async run(model: Model, { permits, name }: Real): Promise<void> {
    await nextMillisecond();
    const { granted, ...rest } = await permits.take(this.holder, [{ name, limit: LIMIT }]);
    const at = model.line.indexOf(this.holder);
    const inFront = at === -1 ? model.line.length : at;
    const mayHold = model.holders.has(this.holder) || inFront < LIMIT - model.holders.size;
    expect(granted).toBe(mayHold);
    if (mayHold) {
      model.holders.add(this.holder);
      model.line = model.line.filter((each) => each !== this.holder);
      return;
    }
    if (at === -1) model.line.push(this.holder);
    expect(rest).toMatchObject({ place: inFront + 1 });
  }
  toString = () => `take ${this.holder}`;
}

class Release implements fc.AsyncCommand<Model, Real> {
  readonly holder: string;
  constructor(holder: string) {
    this.holder = holder;
  }
  check = () => true;
  async run(model: Model, { permits, name }: Real): Promise<void> {
    await permits.release(this.holder, name);
    if (!model.holders.delete(this.holder)) return;
    for (;;) {
      const next = model.line.shift();
      if (next === undefined) return;
      if (model.over.has(next)) continue;
      model.holders.add(next);
      return;
    }
  }
  toString = () => `release ${this.holder}`;
}

/** Its operation settles while it waits: it leaves without a word. */
class End implements fc.AsyncCommand<Model, Real> {
  readonly holder: string;
  constructor(holder: string) {
    this.holder = holder;
  }
  check = ({ holders }: Readonly<Model>) => !holders.has(this.holder);
  async run(model: Model, { over }: Real): Promise<void> {
    model.over.add(this.holder);
    over.add(this.holder);
  }
  toString = () => `end ${this.holder}`;
}

let unique = 0;
const holder = fc.constantFrom(...HOLDERS);
const histories = fc.commands(
  [
    holder.map((name) => new Take(name)),
    holder.map((name) => new Take(name)),
    holder.map((name) => new Release(name)),
    holder.map((name) => new End(name)),
  ],
  { maxCommands: 40 },
);

test('under any history the limit holds, nobody overtakes, and a turn reaches whoever still wants it', async () => {
  await fc.assert(
    fc.asyncProperty(histories, async (commands) => {
      unique += 1;
      const name = `model:${unique}`;
      const model: Model = { holders: new Set(), line: [], over: new Set() };
      const over = new Set<string>();
      const permits = createPermits(store, async (operationId) => !over.has(operationId));
      await fc.asyncModelRun(() => ({ model, real: { permits, name, over } }), commands);
      const { holders, waiters } = store.keys.permits(name);
      expect(new Set(await store.redis.zrange(holders, 0, -1))).toEqual(model.holders);
      expect(await store.redis.zrange(waiters, 0, -1)).toEqual(model.line);
      expect(model.holders.size).toBeLessThanOrEqual(LIMIT);
    }),
    { numRuns: 40 },
  );
});
