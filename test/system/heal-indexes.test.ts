/** Every index that a hand, a defect or a half-restored dump can damage, and its repair from the records. */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Keys } from '../../src/store/keys.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

/** Nothing but the test itself repairs, and nothing settles meanwhile. */
const MANY_PIECES = 1_000;

let redis: TestRedis;
let world: TestSystem;
let ids: { running: string; paused: string; ended: string; ttl: string };
let guestId: string;
let keys: Keys;
let direct: Redis;
beforeAll(async () => {
  redis = await startTestRedis({ appendOnly: false });
  world = await startTestSystem({ redisUrl: redis.url, sweeps: false });
  keys = world.system.store.keys;
  direct = new Redis(redis.url);
  const { producer } = world;
  const running = await producer.start({ preset: PRESET });
  const paused = await producer.start({ preset: PRESET, preferredProvider: 'morph' });
  const ended = await producer.start({ preset: PRESET, preferredProvider: 'pve-lxc' });
  const ttl = await producer.start({ preset: PRESET, ttlSeconds: 3_600 });
  await producer.pause(paused.id);
  await producer.destroy(ended.id);
  ids = { running: running.id, paused: paused.id, ended: ended.id, ttl: ttl.id };
  guestId = running.guestId ?? '';
});
afterAll(async () => {
  direct.disconnect();
  await world.close();
  await redis.stop();
});

async function healRound(dryRun = false): Promise<ReadonlyMap<string, number>> {
  const healed = new Map<string, number>();
  for (let pieces = 0; pieces < MANY_PIECES; pieces += 1) {
    const piece = await world.system.store.healing.healNext({ dryRun, nowMs: Date.now() });
    expect(piece.looked).toBeLessThanOrEqual(400);
    for (const [name, count] of piece.healed) healed.set(name, (healed.get(name) ?? 0) + count);
    if (piece.endsRound) return healed;
  }
  throw new Error('the round does not end');
}

/** Everything that the healer could touch, as Redis itself writes it out. */
async function dumpIndexes(): Promise<Readonly<Record<string, string>>> {
  const records = await direct.keys(`${keys.tag}:*`);
  const watched = records.filter((key) =>
    /:(sandboxes|operations|guests|idle|expiry|retention|sandbox|operation|guest|measures)(:|$)/.test(key),
  );
  const dumped = await Promise.all(
    watched.map(async (key) => [key, (await direct.dumpBuffer(key))?.toString('base64') ?? ''] as const),
  );
  return Object.fromEntries(dumped);
}

test('a healthy fleet is left alone, byte for byte', async () => {
  await healRound();
  const before = await dumpIndexes();
  expect(Object.keys(before).length).toBeGreaterThan(15);
  expect(await healRound()).toEqual(new Map());
  expect(await dumpIndexes()).toEqual(before);
});

const GONE = 'sbx-never-was';

/** What is done to Redis, and the index that has to be brought back to what it was. */
const DAMAGES: readonly [string, string, () => Promise<unknown>][] = [
  [
    'a sandbox is missing among the current ones',
    'sandboxes:current',
    () => direct.zrem(keys.sandboxesCurrent, ids.running),
  ],
  [
    'an ended sandbox is among the current ones',
    'sandboxes:current',
    () => direct.zadd(keys.sandboxesCurrent, 1, ids.ended),
  ],
  [
    'a sandbox without a record is among the current ones',
    'sandboxes:current',
    () => direct.zadd(keys.sandboxesCurrent, 1, GONE),
  ],
  [
    'an ended sandbox is missing among the ended ones',
    'sandboxes:ended',
    () => direct.zrem(keys.sandboxesEnded, ids.ended),
  ],
  ['the counts are gone', 'sandboxes:counts', () => direct.del(keys.sandboxesCounts)],
  ['a count is too high', 'sandboxes:counts', () => direct.hincrby(keys.sandboxesCounts, 'stuck|morph', 2)],
  [
    'a sandbox is counted as something else',
    'sandboxes:counts',
    () => direct.hset(keys.sandbox(ids.running), 'countedAs', 'paused|morph'),
  ],
  [
    'a running sandbox is not looked at for idleness',
    'idle:due',
    () => direct.zrem(keys.idleDue, ids.running),
  ],
  ['a paused one is', 'idle:due', () => direct.zadd(keys.idleDue, 1, ids.paused)],
  [
    'a paused one is announced as about to be suspended',
    'idle:upcoming',
    () => direct.zadd(keys.idle.upcoming, 1, ids.paused),
  ],
  ['a time to live is not looked at', 'expiry:due', () => direct.zrem(keys.expiryDue, ids.ttl)],
  ['one that ended expires', 'expiry:due', () => direct.zadd(keys.expiryDue, 1, ids.ended)],
  ['a paused sandbox is kept for ever', 'retention:due', () => direct.zrem(keys.retentionDue, ids.paused)],
  ['a running one is to be destroyed', 'retention:due', () => direct.zadd(keys.retentionDue, 1, ids.running)],
  [
    'an operation without a record is due',
    'operations:due',
    () => direct.zadd(keys.operationsDue, 1, 'op-never-was'),
  ],
  ['a guest is missing in the inventory', 'guests:of', () => direct.zrem(keys.guestsOf('pve-vm'), guestId)],
  [
    'a guest is in the inventory of another provider',
    'guests:of',
    () => direct.zadd(keys.guestsOf('morph'), 1, guestId),
  ],
  [
    'a live guest is to be discarded',
    'guests:condemned',
    () => direct.zadd(keys.guestsCondemned, 1, guestId),
  ],
  ['a live guest is shown as unowned', 'guests:unowned', () => direct.zadd(keys.guestsUnowned, 1, guestId)],
];

/** Members alone: a repaired entry is looked at at once, and not when it was to be. */
async function members(): Promise<unknown> {
  const sets = [
    ...[keys.sandboxesCurrent, keys.sandboxesEnded, keys.idleDue, keys.idle.upcoming, keys.expiryDue],
    ...[keys.retentionDue, keys.operationsDue, keys.guestsCondemned, keys.guestsUnowned],
    ...[keys.guestsOf('pve-vm'), keys.guestsOf('pve-lxc'), keys.guestsOf('morph')],
  ];
  const counts = Object.entries(await direct.hgetall(keys.sandboxesCounts)).filter(
    ([, count]) => count !== '0',
  );
  const found = await Promise.all(
    sets.map(async (key) => [key, (await direct.zrange(key, 0, -1)).toSorted()]),
  );
  const countedAs = await direct.hget(keys.sandbox(ids.running), 'countedAs');
  return { sets: Object.fromEntries(found) as unknown, counts: Object.fromEntries(counts), countedAs };
}

test.each(DAMAGES)('%s: %s is repaired, counted and told of', async (_what, index, damage) => {
  await healRound();
  const healthy = await members();
  const countedBefore = (await world.system.store.measures.counts())[`healed|${index}`] ?? 0;
  await damage();
  expect(await members()).not.toEqual(healthy);
  const found = await healRound();
  expect([...found.keys()]).toEqual([index]);
  expect(await members()).toEqual(healthy);
  expect((await world.system.store.measures.counts())[`healed|${index}`]).toBeGreaterThan(countedBefore);
  expect(await healRound()).toEqual(new Map());
});

test('an unsettled operation, a condemned and an unowned guest that no index knows are found again', async () => {
  const { cause } = (await world.system.store.reading.sandbox(ids.running)) ?? {};
  const operation = keys.operation(cause ?? '');
  const guest = keys.guest(guestId);
  await healRound();
  const healthy = await members();

  await direct.hset(operation, 'state', 'begun');
  await direct.hset(guest, 'state', 'condemned');
  expect(new Set((await healRound()).keys())).toEqual(new Set(['operations:due', 'guests:condemned']));
  expect(await direct.zscore(keys.operationsDue, cause ?? '')).not.toBeNull();
  expect(await direct.zscore(keys.guestsCondemned, guestId)).not.toBeNull();
  await direct.hset(guest, 'state', 'unowned');
  expect(new Set((await healRound()).keys())).toEqual(new Set(['guests:condemned', 'guests:unowned']));

  await direct.hset(operation, 'state', 'succeeded');
  await direct.hset(guest, 'state', 'live');
  await healRound();
  expect(await members()).toEqual(healthy);
});

test('what a newer release wrote, and a damaged record, are left alone with their indexes', async () => {
  const record = keys.sandbox(ids.running);
  await healRound();
  await direct.hset(record, 'schemaVersion', 2);
  await direct.zrem(keys.idleDue, ids.running);
  expect(await healRound()).toEqual(new Map());
  await direct.hset(record, 'schemaVersion', 1);
  await direct.hdel(record, 'state');
  expect(await healRound()).toEqual(new Map());
  await direct.hset(record, 'state', 'running');
  expect(await healRound()).toEqual(new Map([['idle:due', 1]]));
});

test('a dry run says what is wrong in the next piece, and neither repairs nor moves on', async () => {
  await healRound();
  await direct.zrem(keys.sandboxesCurrent, ids.running);
  const before = await dumpIndexes();
  const look = () => world.system.store.healing.healNext({ dryRun: true, nowMs: Date.now() });
  expect(await look()).toEqual(await look());
  expect(await dumpIndexes()).toEqual(before);
  expect([...(await healRound()).keys()]).toEqual(['sandboxes:current']);
});
