/** What Morph does by itself: its TTL is our dead-man switch, and what traffic woke there is noticed. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startSystem } from '../../src/main/system.ts';
import { createProducer } from '../../src/producers/redis-producer.ts';
import { eventually } from '../support/eventually.ts';
import { PRESET, readCounter, startTestSystem, type TestSystem } from '../support/system.ts';
import { reconcileNow, sweepNow } from './reconcile-now.ts';

const HOUR_MS = 60 * 60_000;
const DEAD_MAN_MS = 4 * HOUR_MS;
/** Lists are not believed about changes of the last minute. */
const LATER_MS = 2 * 60_000;

let clockMs = 0;
let world: TestSystem;
beforeEach(async () => {
  clockMs = Date.now();
  world = await startTestSystem({
    nowMs: () => clockMs,
    simulatorNowMs: () => clockMs,
    latency: { morph: { startMs: 50, pauseMs: 50, resumeMs: 30, servicesMs: 0, ttlLagMs: 0 } },
  });
});
afterEach(() => world.close());

const start = (options: object = {}) =>
  world.producer.start({
    preset: PRESET,
    preferredProvider: 'morph',
    allowFallback: false,
    ...options,
  });
const instance = () => world.instances()[0];
const sandboxOf = (id: string) => world.system.store.reading.sandbox(id);

async function setWakeOn(http: boolean): Promise<void> {
  const { url, apiKey } = world.simulators.morph;
  await fetch(`${url}/instance/${instance()?.id}/wake-on`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ wake_on_http: http }),
  });
}

test('every Morph sandbox carries a TTL that pauses, and the time to live that its caller set stays ours', async () => {
  await start({ ttlSeconds: 600, onExpiry: 'destroy' });
  expect(instance()?.ttl).toMatchObject({ seconds: DEAD_MAN_MS / 1_000, action: 'pause' });
});

test('pain 11, the TTL that pauses an agent at work: it is renewed for as long as we are there, day after day', async () => {
  const { id } = await start();
  await world.producer.hold(id, { owner: 'run-1', reason: 'agent turn running', seconds: 600 });
  for (let passed = 0; passed < 24 * HOUR_MS; passed += DEAD_MAN_MS / 2) {
    clockMs += DEAD_MAN_MS / 2;
    await eventually(
      'it was renewed',
      () => (instance()?.ttl.expireAtMs ?? 0) >= clockMs + DEAD_MAN_MS - 1_000,
    );
  }
  expect(instance()).toMatchObject({ status: 'ready', bootCount: 1 });
  expect((await sandboxOf(id))?.state).toBe('running');
  const { history } = await world.producer.why(id);
  expect(history.filter(({ facts }) => facts.kind === 'configure')).toEqual([]);
});

test('a renewal is due half way, and not before; a paused sandbox has none', async () => {
  const { id } = await start();
  const armed = instance()?.ttl.expireAtMs;
  clockMs += DEAD_MAN_MS / 2 - LATER_MS;
  expect(await sweepNow(world, 'renew-provider-ttl')).toMatchObject({ due: 0 });
  expect(instance()?.ttl.expireAtMs).toBe(armed);
  await world.producer.pause(id);
  clockMs += HOUR_MS;
  expect(await sweepNow(world, 'renew-provider-ttl')).toMatchObject({ due: 0, submitted: 0 });
  expect(world.simulators.morph.inventory().calls['POST /instance/{id}/ttl']).toBeUndefined();
});

test('a control plane that is gone costs four hours: Morph pauses, memory kept; back again we notice, and a resume goes on', async () => {
  const { id, guestId = '', endpoints } = await start();
  const before = await readCounter(endpoints.worker);
  const expiresAtMs = instance()?.ttl.expireAtMs ?? 0;
  await world.system.close();
  clockMs = expiresAtMs + HOUR_MS;
  await eventually('Morph paused it', () => instance()?.status === 'paused');

  const back = await startSystem(world.options);
  try {
    const producer = createProducer(back.store, back.submitter);
    await reconcileNow({ system: back });
    const found = await eventually('it is recorded', async () => {
      const sandbox = await back.store.reading.sandbox(id);
      return sandbox?.state === 'paused' ? sandbox : undefined;
    });
    expect(found).toMatchObject({ cause: 'provider_ttl', preservesRam: true });
    const { keys, redis } = back.store;
    const [state, fromMs, evidence] = (await redis.hget(keys.ledger.open, guestId))?.split('|') ?? [];
    expect({ state, evidence }).toEqual({ state: 'paused', evidence: 'provider' });
    expect(Math.abs(Number(fromMs) - expiresAtMs)).toBeLessThanOrEqual(1_000);

    const resumed = await producer.resume(id);
    expect(resumed).toMatchObject({ state: 'running' });
    expect(instance()).toMatchObject({ status: 'ready', bootCount: 1 });
    expect(await readCounter(resumed.endpoints.worker)).toBeGreaterThanOrEqual(before);
    expect(instance()?.ttl.expireAtMs).toBeGreaterThanOrEqual(clockMs + DEAD_MAN_MS - 1_000);
  } finally {
    await back.close();
  }
});

test('what traffic woke at Morph is recorded with that cause, its idle clock begins anew, and waking is switched off', async () => {
  const { id, endpoints } = await start();
  await world.producer.pause(id);
  await setWakeOn(true);
  clockMs += LATER_MS;
  await fetch(endpoints.worker ?? '');
  expect(instance()?.status).toBe('ready');

  await reconcileNow(world);
  await eventually('it is recorded', async () => (await sandboxOf(id))?.state === 'running');
  expect(await sandboxOf(id)).toMatchObject({ cause: 'provider_wake' });
  const [activity] = await world.system.store.activity.read([id], clockMs);
  expect(activity?.runningSinceMs).toBe(clockMs);
  await eventually('nothing wakes it any more', () => instance()?.wakeOn.http === false);
});

test('waking that somebody switched on while it runs is switched off again by the next look at the list', async () => {
  await start();
  await setWakeOn(true);
  clockMs += LATER_MS;
  await reconcileNow(world);
  await eventually('it is off', () => instance()?.wakeOn.http === false);
});
