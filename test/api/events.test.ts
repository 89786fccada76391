import { afterEach, expect, test } from 'vitest';
import type { Principal } from '../../src/core/principal.ts';
import { eventSchema } from '../../src/producers/http/schemas.ts';
import { eventually } from '../support/eventually.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { PRESET } from '../support/system.ts';
import { expectError, expectShape, startTestApi, type TestApi } from './support.ts';

let api: TestApi | undefined;
let redis: TestRedis | undefined;
const readers: Reader[] = [];
afterEach(async () => {
  for (const reader of readers.splice(0)) reader.stop();
  await api?.close();
  await redis?.stop();
  api = undefined;
  redis = undefined;
});

interface SeenEvent {
  readonly id: string;
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely
  readonly data: any;
}

interface Reader {
  readonly status: number;
  readonly events: SeenEvent[];
  readonly comments: string[];
  /** The last id that was seen, with data or without. */
  readonly lastId: () => string;
  readonly ended: () => boolean;
  stop(): void;
}

async function read(url: string, { lastId, as }: { lastId?: string; as?: Principal } = {}): Promise<Reader> {
  const leave = new AbortController();
  const reply = await fetch(`${url}/v1/events`, {
    signal: leave.signal,
    headers: {
      ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
      ...(as ? { 'x-test-principal': JSON.stringify(as) } : {}),
    },
  });
  const events: SeenEvent[] = [];
  const comments: string[] = [];
  let place = lastId ?? '';
  let isEnded = false;
  const reading = async () => {
    let buffer = '';
    const decoder = new TextDecoder();
    for await (const chunk of reply.body ?? []) {
      buffer += decoder.decode(chunk as Uint8Array, { stream: true });
      const blocks = buffer.split('\n\n');
      buffer = blocks.pop() ?? '';
      for (const block of blocks) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
        if (block.startsWith(':')) comments.push(block);
        place = field('id') ?? place;
        const data = field('data');
        if (data !== undefined)
          events.push({ id: place, event: field('event') ?? '', data: JSON.parse(data) });
      }
    }
  };
  reading()
    .catch(() => undefined)
    .finally(() => {
      isEnded = true;
    });
  const reader = {
    status: reply.status,
    events,
    comments,
    lastId: () => place,
    ended: () => isEnded,
    stop: () => leave.abort(),
  };
  readers.push(reader);
  if (reply.status === 200) await eventually('the stream says where it begins', () => place !== '');
  return reader;
}

async function start(body: Record<string, unknown> = {}): Promise<string> {
  const answer = await (api as TestApi).call('POST', '/v1/sandboxes?wait=30', {
    body: { preset: PRESET, ...body },
  });
  expect(answer.status).toBe(201);
  return answer.body.id;
}

const isRunning = (id: string) => (seen: SeenEvent) =>
  seen.data.sandboxId === id && seen.data.facts.to === 'running';

test('every change comes as an event, in order, with heartbeats in between', async () => {
  api = await startTestApi({ streams: { heartbeatMs: 50 } });
  const reader = await read(api.url);
  const id = await start();
  await eventually('the sandbox runs', () => reader.events.some(isRunning(id)));
  for (const { data, event } of reader.events) {
    expectShape(eventSchema, data);
    expect(data.type).toBe(event);
  }
  const changes = reader.events.filter(({ event }) => event === 'sandbox.changed');
  expect(changes.map(({ data }) => data.facts.to)).toEqual(['requested', 'starting', 'running']);
  expect(reader.events.map(({ event }) => event)).toContain('operation.requested');
  await eventually('a heartbeat', () => reader.comments.length > 0);
});

test('a reader that comes back after a restart of the server misses nothing and sees nothing twice', async () => {
  api = await startTestApi();
  const first = await read(api.url);
  const begin = first.lastId();
  const before = await start();
  await eventually('the first sandbox was seen', () => first.events.some(isRunning(before)));
  await api.restartServer();
  await eventually('the stream ended with the server', first.ended);

  // Changes while nobody reads: the workers never stopped.
  const { id: unseen } = await api.test.producer.start({ preset: PRESET });
  const second = await read(api.url, { lastId: first.lastId() });
  const after = await start();
  await eventually('both were seen', () => [unseen, after].every((id) => second.events.some(isRunning(id))));

  const { redis: direct, keys } = api.test.system.store;
  await eventually('everything was read', async () => {
    const [newest] = await direct.xrevrange(keys.events, '+', '-', 'COUNT', 1);
    return second.lastId() === newest?.[0];
  });
  const logged = await direct.xrange(keys.events, `(${begin}`, '+');
  expect([...first.events, ...second.events].map(({ id }) => id)).toEqual(logged.map(([id]) => id));
});

test('an id that was trimmed gets a reset, and the stream goes on from now', async () => {
  api = await startTestApi();
  const reader = await read(api.url);
  await start();
  await eventually('something happened', () => reader.events.length > 3);
  const old = reader.events[0]?.id ?? '';
  const { redis: direct, keys } = api.test.system.store;
  await direct.xtrim(keys.events, 'MAXLEN', 1);
  // A server that saw them still has them; one that did not cannot know them.
  const lucky = await read(api.url, { lastId: old });
  await eventually('it has them all', () => lucky.events.length === reader.events.length - 1);
  await api.restartServer();
  const late = await read(api.url, { lastId: old });
  await eventually('the reset', () => late.events[0]?.event === 'reset');
  expect(late.events[0]?.data).toMatchObject({ from: old });
  const id = await start();
  await eventually('it goes on', () => late.events.some(isRunning(id)));
  expect(late.events.filter(({ event }) => event === 'reset')).toHaveLength(1);

  const fromTheFuture = await read(api.url, { lastId: '99999999999999-0' });
  await eventually('the reset', () => fromTheFuture.events[0]?.event === 'reset');
});

test('a token of one team hears of its own sandboxes only', async () => {
  api = await startTestApi();
  const reader = await read(api.url, { as: { name: 'red', role: 'viewer', teamId: 'red' } });
  const theirs = await start({ teamId: 'blue' });
  const ours = await start({ teamId: 'red' });
  await eventually('ours was seen', () => reader.events.some(isRunning(ours)));
  expect(new Set(reader.events.map(({ data }) => data.sandboxId))).toEqual(new Set([ours]));
  expect(theirs).not.toBe(ours);
});

test('streams are bounded, and one that ends makes room', async () => {
  api = await startTestApi({ streams: { maxStreams: 2 } });
  const [one] = [await read(api.url), await read(api.url)];
  const refused = await api.call('GET', '/v1/events');
  expectError(refused, 429, 'too_many_streams');
  expect(refused.headers.get('retry-after')).toBe('30');
  one?.stop();
  await eventually('there is room again', async () => (await read((api as TestApi).url)).status === 200);
});

test('a place that is none is refused, and HEAD opens no stream', async () => {
  api = await startTestApi({ streams: { maxStreams: 1 } });
  expectError(
    await api.call('GET', '/v1/events', { headers: { 'last-event-id': 'yesterday' } }),
    400,
    'invalid_request',
  );
  for (let times = 0; times < 3; times += 1) {
    expect((await fetch(`${api.url}/v1/events`, { method: 'HEAD' })).status).toBe(200);
  }
  expect((await read(api.url)).status).toBe(200);
});

test('many readers share one blocking connection, which survives a restart of Redis', {
  timeout: 60_000,
}, async () => {
  redis = await startTestRedis();
  api = await startTestApi({ redisUrl: redis.url });
  const streams = await Promise.all(Array.from({ length: 8 }, () => read((api as TestApi).url)));
  const { redis: direct } = api.test.system.store;
  const first = await start();
  await eventually('everybody saw it', () => streams.every(({ events }) => events.some(isRunning(first))));
  const clients = (await direct.client('LIST')) as string;
  expect(clients.split('\n').filter((line) => line.includes('cmd=xread'))).toHaveLength(1);

  await redis.goAway();
  await redis.comeBack();
  const { id: second } = await api.test.producer.start({ preset: PRESET });
  await eventually('everybody saw the next', () =>
    streams.every(({ events }) => events.some(isRunning(second))),
  );
});
