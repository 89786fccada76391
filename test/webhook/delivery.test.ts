import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SandboxState } from '../../src/core/sandbox.ts';
import type { WebhookEvent } from '../../src/core/webhook.ts';
import { outboxOf } from '../../src/store/webhook-outbox.ts';
import { repairWebhooks } from '../../src/workers/sweeps/repair-webhooks.ts';
import { startWebhookWorker, type WebhookWorker } from '../../src/workers/webhook/webhook-worker.ts';
import { eventually } from '../support/eventually.ts';
import { log } from '../support/log.ts';
import { sharedRedisUrl } from '../support/redis.ts';
import {
  PREVIOUS_SECRET,
  type Receiver,
  SECRET,
  startBench,
  startReceiver,
  type WebhookBench,
} from '../support/webhook.ts';

const HOUR_MS = 60 * 60_000;
const FAST = { lockMs: 1_000, stalledCheckMs: 500 };

let bench: WebhookBench;
let receiver: Receiver;
let worker: WebhookWorker | undefined;
/** How far the clock of the worker and the receiver is ahead of the real one. */
let aheadMs: number;
const nowMs = () => Date.now() + aheadMs;

beforeEach(async () => {
  aheadMs = 0;
  bench = await startBench();
  receiver = await startReceiver({ nowMs });
});

afterEach(async () => {
  await worker?.close();
  worker = undefined;
  await receiver.close();
  await bench.close();
});

async function startWorker(
  options: { readonly requestTimeoutMs?: number; readonly secrets?: readonly string[] } = {},
): Promise<void> {
  const { secrets = [SECRET], ...rest } = options;
  const target = { url: receiver.url, secrets };
  worker = await startWebhookWorker({ ...bench, log, nowMs }, { target, ...FAST, ...rest });
}

/** Lets time pass and brings back what was parked, as BullMQ would then. */
async function pass(ms: number): Promise<void> {
  aheadMs += ms;
  await eventually('nothing is being sent', async () => (await bench.queue.queue.getActiveCount()) === 0);
  await bench.queue.queue.promoteJobs();
}

const sweep = () =>
  repairWebhooks({
    store: bench.store,
    queues: { webhook: bench.queue },
    nowMs,
    log,
  });

const LIFE: readonly SandboxState[] = [
  'requested',
  'starting',
  'running',
  'pausing',
  'paused',
  'resuming',
  'running',
  'destroying',
  'destroyed',
];

/** A sandbox that goes through `states`, the first of which it is made in. */
async function live(states: readonly SandboxState[] = LIFE): Promise<string> {
  const id = await bench.create();
  for (const [index, to] of states.slice(1).entries()) await bench.move(id, states[index] ?? '', to);
  return id;
}

const sequencesOf = (events: readonly WebhookEvent[], sandboxId: string) =>
  events.filter((event) => outboxOf(event) === sandboxId).map(({ sequence }) => sequence);

test('without a webhook nothing is written but the sequence', async () => {
  const id = await live();
  expect(await bench.store.redis.exists(bench.store.keys.webhook.outbox(id))).toBe(0);
  expect(await bench.store.webhook.due(nowMs() + HOUR_MS, 10)).toEqual([]);
  expect(await bench.store.webhook.totals()).toEqual({
    backlog: 0,
    delivered: 0,
    failed: 0,
    dead: 0,
    dropped: 0,
  });
  expect(await bench.store.redis.hget(bench.store.keys.sandbox(id), 'sequence')).toBe('9');
});

test('each transition arrives once, in order, signed, with the sandbox as it was then', async () => {
  await startWorker();
  const id = await live();
  await eventually('everything arrived', () => receiver.settled.length === LIFE.length);
  expect(receiver.received).toHaveLength(LIFE.length);
  expect(receiver.refused).toEqual([]);
  expect(receiver.settled.map(({ to }) => to)).toEqual(LIFE);
  expect(receiver.settled.map(({ sandbox }) => sandbox.state)).toEqual(LIFE);
  expect(receiver.settled[2]).toMatchObject({
    id: `${id}-3`,
    type: 'sandbox.changed',
    deployment: bench.deployment,
    sequence: 3,
    sandboxId: id,
    operationId: 'op-test',
    from: 'starting',
    to: 'running',
    sandbox: { id, teamId: 'team-ü' },
  });
  expect(receiver.received[0]?.headers.get('content-type')).toBe('application/json');
  await eventually('the backlog is empty', async () => {
    const { backlog, delivered } = await bench.store.webhook.totals();
    return backlog === 0 && delivered === LIFE.length;
  });
  expect(await bench.store.webhook.due(nowMs() + HOUR_MS, 10)).toEqual([]);
});

test('a receiver that is down for an hour gets everything after, in order per sandbox', async () => {
  receiver.answer = () => 503;
  await startWorker();
  const ids = await Promise.all([live(), live(), live(LIFE.slice(0, 3))]);
  for (let minutes = 0; minutes < 60; minutes += 5) await pass(5 * 60_000);
  await eventually('nothing is being sent', async () => (await bench.queue.queue.getActiveCount()) === 0);
  expect(receiver.settled).toEqual([]);
  // One sandbox's later events never overtake its first, so only those were tried.
  expect(new Set(receiver.received.map(({ event }) => event.sequence))).toEqual(new Set([1]));
  expect((await bench.store.webhook.totals()).backlog).toBe(21);
  for (const id of ids)
    expect(
      sequencesOf(
        receiver.received.map(({ event }) => event),
        id,
      ).length,
    ).toBeGreaterThan(5);

  receiver.answer = () => 200;
  await pass(10 * 60_000);
  await eventually('everything arrived', () => receiver.settled.length >= 21);
  for (const [index, id] of ids.entries()) {
    const length = index === 2 ? 3 : LIFE.length;
    expect(sequencesOf(receiver.settled, id)).toEqual(Array.from({ length }, (_, at) => at + 1));
  }
  // What came twice came with the same id and the same text.
  const bodies = new Map<string, string>();
  for (const { event, body } of receiver.received) {
    expect(bodies.get(event.id) ?? body).toBe(body);
    bodies.set(event.id, body);
  }
  expect(bodies.size).toBe(21);
});

test('one sandbox whose events are refused holds up no other', async () => {
  await startWorker();
  const refused = await live(['requested', 'starting']);
  receiver.answer = ({ sandboxId }) => (sandboxId === refused ? 500 : 200);
  await bench.move(refused, 'starting', 'failed');
  const others = await Promise.all(Array.from({ length: 10 }, () => live()));
  await eventually('the others arrived', () =>
    others.every((id) => sequencesOf(receiver.settled, id).length === LIFE.length),
  );
  expect(sequencesOf(receiver.settled, refused)).not.toContain(3);
});

test('while a secret is rotated the receiver may know either', async () => {
  await receiver.close();
  receiver = await startReceiver({ nowMs, secrets: [PREVIOUS_SECRET] });
  await startWorker({ secrets: [SECRET, PREVIOUS_SECRET] });
  await live(['requested', 'starting']);
  await eventually('it is accepted with the previous secret', () => receiver.settled.length === 2);
  expect(receiver.received[0]?.headers.get('webhook-signature')).toMatch(/^v1,\S+ v1,\S+$/);
  expect(receiver.refused).toEqual([]);
});

test('a receiver that never answers is given up on in time and tried again', async () => {
  receiver.answer = () => 'nothing';
  await startWorker({ requestTimeoutMs: 100 });
  const id = await bench.create();
  const head = await bench.store.webhook.head(id);
  const noted = await eventually('the try failed', () => head && bench.store.webhook.tries(head));
  expect(noted).toMatchObject({ tries: 1, reason: 'the receiver did not answer within 100 ms' });
  receiver.answer = () => 200;
  await pass(HOUR_MS);
  await eventually('it arrived', () => receiver.settled.length === 1);
});

test('410 makes a dead letter at once, that events after it pass by, and a retry by hand delivers it', async () => {
  receiver.answer = ({ sequence }) => (sequence === 1 ? 410 : 200);
  await startWorker();
  const id = await live(['requested', 'starting', 'running']);
  await eventually('the others arrived', () => receiver.settled.length === 2);
  expect(sequencesOf(receiver.settled, id)).toEqual([2, 3]);

  const letters = await bench.store.webhook.deadLetters(10);
  expect(letters).toMatchObject([
    { event: { id: `${id}-1` }, reason: 'the receiver answered 410', tries: 1 },
  ]);
  const [job] = await eventually('the board shows it', async () => {
    const failed = await bench.queue.queue.getFailed();
    return failed.length > 0 && failed;
  });
  expect(job).toMatchObject({ name: `${id} #1: requested`, failedReason: 'the receiver answered 410' });

  receiver.answer = () => 200;
  await job?.retry();
  await eventually('it arrived late', () => sequencesOf(receiver.settled, id).includes(1));
  await eventually(
    'it is a dead letter no more',
    async () => (await bench.store.webhook.deadLetters(10)).length === 0,
  );
});

test('after 24 hours an event becomes a dead letter, but not before', async () => {
  receiver.answer = () => 500;
  await startWorker();
  const id = await bench.create();
  const head = await bench.store.webhook.head(id);
  await eventually('the first try failed', () => head && bench.store.webhook.tries(head));
  await pass(24 * HOUR_MS - 60_000);
  await eventually('the second failed', async () => {
    const noted = head && (await bench.store.webhook.tries(head));
    return (noted?.tries ?? 0) >= 2;
  });
  expect(await bench.store.webhook.deadLetters(10)).toEqual([]);
  await pass(60_000);
  const [letter] = await eventually('it was given up', async () => {
    const letters = await bench.store.webhook.deadLetters(10);
    return letters.length > 0 && letters;
  });
  expect(letter?.reason).toBe('the receiver answered 500; it was tried for 24 hours');
  expect(await bench.store.webhook.totals()).toMatchObject({ backlog: 0, dead: 1 });
});

test('a worker killed in the middle of a delivery: another sends the same event again', async () => {
  receiver.answer = () => 'nothing';
  const options = { target: { url: receiver.url, secrets: [SECRET] }, ...FAST };
  const main = fileURLToPath(new URL('../support/webhook-worker-main.ts', import.meta.url));
  const argument = JSON.stringify({ redisUrl: sharedRedisUrl(), deployment: bench.deployment, ...options });
  const child = fork(main, [argument], { execArgv: ['--import', 'tsx'] });
  await once(child, 'message');
  const id = await live(['requested', 'starting']);
  await eventually('the event is on its way', () => receiver.received.length === 1);
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;

  receiver.answer = () => 200;
  await startWorker();
  await eventually('both arrived', () => receiver.settled.length === 2);
  expect(receiver.received.map(({ event }) => event.id)).toEqual([`${id}-1`, `${id}-1`, `${id}-2`]);
});

test('an outbox whose job was never added, was deleted or crashed is carried on by the sweep', async () => {
  await bench.store.webhook.announce(nowMs() + HOUR_MS);
  const [lost, crashed] = [await bench.create(), await bench.create()];
  // A job that failed with its entry still there: its worker broke before it could note anything.
  const failing = await bench.store.webhook.head(crashed);
  if (failing) await bench.queue.add(failing.event);
  const job = await bench.queue.queue.getJob(`${crashed}-1`);
  await bench.store.redis.hset(`${bench.store.keys.tag}:webhook:${job?.id}`, 'data', '{"schemaVersion":1}');
  await startWorker();
  await eventually('it crashed', async () => (await bench.queue.queue.getFailedCount()) === 1);
  expect(receiver.settled).toEqual([]);

  expect(await sweep()).toEqual({ due: 2, added: 2, dropped: 0, failed: 0 });
  await eventually('both arrived', () => receiver.settled.length === 2);
  expect(new Set(receiver.settled.map(({ sandboxId }) => sandboxId))).toEqual(new Set([lost, crashed]));
  expect(await sweep()).toEqual({ due: 0, added: 0, dropped: 0, failed: 0 });
});

test('a job that a newer release wrote is put back until it can be read, and is no dead letter', async () => {
  const { queue } = bench.queue;
  await startWorker();
  await queue.pause();
  await bench.create();
  const job = await eventually(
    'its job waits',
    async () => (await queue.getJobs(['wait', 'waiting', 'prioritized']))[0],
  );
  const { data } = job;
  await job.updateData({ ...data, schemaVersion: 99 });
  await queue.resume();
  await eventually('it is put back', async () => (await queue.getDelayedCount()) === 1);
  expect(await queue.getFailedCount()).toBe(0);
  expect(receiver.received).toEqual([]);

  await job.updateData(data);
  await pass(0);
  await eventually('it arrives', () => receiver.settled.length === 1);
});

test('a webhook that was taken out of the configuration leaves nothing behind', async () => {
  await bench.store.webhook.announce(nowMs() + HOUR_MS);
  const id = await live();
  expect((await bench.store.webhook.totals()).backlog).toBe(LIFE.length);
  aheadMs = 2 * HOUR_MS;
  expect(await sweep()).toEqual({ due: 1, added: 0, dropped: LIFE.length, failed: 0 });
  expect(await bench.store.webhook.totals()).toMatchObject({ backlog: 0, dropped: LIFE.length });
  expect(await bench.store.redis.exists(bench.store.keys.webhook.outbox(id))).toBe(0);
});
