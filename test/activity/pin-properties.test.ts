/**
 * Whatever order touches, callers, a sweep's decision and workers that crash or freeze come in: against the real
 * scripts in a real Redis, with the workers' steps taken one by one.
 */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Operation } from '../../src/core/operation.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { createQueues, type Queues } from '../../src/queues/queues.ts';
import { createSubmitter, type Submitter } from '../../src/queues/submit-operation.ts';
import { type Claim, ClaimLostError } from '../../src/store/claims.ts';
import { emit } from '../../src/store/events.ts';
import { RESUMED_BY } from '../../src/store/pins.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { sharedRedisUrl } from '../support/redis.ts';

let store: Store;
let queues: Queues;
let submitter: Submitter;
beforeAll(async () => {
  const redis = await connectRedis(sharedRedisUrl(), { role: 'worker' });
  // A claim that nobody renews is over at once: the next holder is the worker that takes over.
  store = createStore(redis, `test-${randomBytes(6).toString('hex')}`, { leaseMs: 1, sendDeadlineMs: 0 });
  queues = createQueues(redis, store.keys);
  submitter = createSubmitter({ store, queues, nowMs: Date.now });
});
afterAll(async () => {
  await queues.close();
  await store.close();
  store.redis.disconnect();
});

const STEPS = ['touch', 'refresh', 'join', 'resume', 'take over', 'send', 'thaw', 'settle'] as const;
type Step = (typeof STEPS)[number];
const PAUSE = { requiresRamSnapshot: true };

async function runningSandbox(): Promise<string> {
  const id = `sbx-${randomBytes(6).toString('hex')}`;
  const request = {
    requiresRamSnapshot: false,
    allowFallback: true,
    metadata: {},
    onExpiry: 'pause',
    protected: false,
  };
  const transaction = store.begin().setFields(store.keys.sandbox(id), {
    ...{
      id,
      schemaVersion: 1,
      state: 'running',
      version: 1,
      epoch: 0,
      createdAtMs: 1,
      updatedAtMs: 1,
      cause: 'op-0',
    },
    request: JSON.stringify(request),
    placement: JSON.stringify({
      ...{ provider: 'pve-vm', guestId: 'pvevm-00000001', nativeId: '20001', hostname: 'h', endpoints: [] },
      simulated: true,
    }),
  });
  emit(transaction, store.keys, 'sandbox.changed', 1, {
    sandboxId: id,
    operationId: 'op-0',
    from: '',
    to: 'running',
  });
  await transaction.commit();
  return id;
}

/** One world, and what is to hold in it after every step. */
async function play(steps: readonly Step[]): Promise<void> {
  const id = await runningSandbox();
  const [activity] = await store.activity.read([id], Date.now());
  const sandbox = await store.reading.sandbox(id);
  if (!activity || !sandbox) throw new Error('no sandbox');
  const decided = await submitter.changePinned('pause', sandbox, activity.sequence, PAUSE, 'the sweep');
  if (!decided) throw new Error('a decision about a quiet sandbox stands');

  const seen = { activity: false, joined: false, resumed: false, sent: false, afterSent: false };
  let claim: Claim | undefined;
  let frozen: Claim | undefined;
  let settledAs: Operation['state'] | undefined;

  const noteActivity = () => {
    seen.activity = true;
    if (seen.sent && settledAs === undefined) seen.afterSent = true;
  };
  const act: Record<Step, () => Promise<unknown>> = {
    async touch() {
      await store.activity.touch([id], 'touch', Date.now());
      noteActivity();
    },
    refresh: () => submitter.change('inspect', id, {}, {}),
    async join() {
      const operation = await submitter.change('pause', id, PAUSE, { requestedBy: 'a person' });
      if (operation.id === decided.id) seen.joined = true;
    },
    async resume() {
      await submitter.change('resume', id, { onLostMemory: 'fail' }, { requestedBy: 'a person' });
      seen.resumed = true;
      noteActivity();
    },
    async 'take over'() {
      frozen = claim ?? frozen;
      // The lease of a millisecond is over by Redis's clock before the second try comes back.
      for (let tries = 0; tries < 50; tries += 1) {
        const result = await store.claims.claim(decided, 1, randomBytes(4).toString('hex'));
        if (result.status === 'held') continue;
        claim = result.status === 'claimed' ? result.claim : undefined;
        return;
      }
    },
    async send() {
      if (!claim || claim.operation.pinBroken !== undefined) return;
      const right = await store.attempts.takeSendRight(claim, Date.now());
      const mayGo = seen.joined || seen.sent || !seen.activity;
      expect(right).toBe(mayGo ? 'sent' : 'broken');
      if (right === 'sent') seen.sent = true;
    },
    async thaw() {
      if (!frozen || frozen === claim) return;
      const late = { operation: { state: 'succeeded' as const }, guestFate: 'carry' as const };
      // An unpinned claim asks no right; what it writes is refused all the same.
      await expect(store.attempts.settle(frozen, late, Date.now())).rejects.toThrow(ClaimLostError);
    },
    async settle() {
      if (!claim) return;
      if (!seen.sent) {
        const settlement = { operation: { state: 'superseded' as const }, guestFate: 'carry' as const };
        if (!seen.activity || seen.joined) return;
        const result = await store.attempts.supersede(claim, settlement, Date.now());
        if (result !== 'joined') settledAs = 'superseded';
        return;
      }
      await store.attempts.settle(
        claim,
        {
          operation: { state: 'succeeded' },
          sandbox: { state: 'paused', cause: decided.id, preservesRam: true },
          guestFate: 'carry',
        },
        Date.now(),
      );
      settledAs = 'succeeded';
    },
  };

  for (const step of [...steps, 'take over', 'send', 'settle'] as const) {
    await act[step]();
    const now = await store.reading.operation(decided.id);
    if (settledAs === undefined && now?.state === 'superseded') settledAs = 'superseded';
    if (settledAs !== undefined) break;
  }
  const waiting = await store.reading.pendingOperations(id);
  const own = waiting.filter(({ requestedBy }) => requestedBy === RESUMED_BY);
  const crossed = settledAs === 'succeeded' && seen.afterSent && !seen.joined && !seen.resumed;
  expect(own).toHaveLength(crossed && !waiting.some(({ requestedBy }) => requestedBy === 'a person') ? 1 : 0);

  // And on what is paused by now, activity wakes nothing.
  await store.activity.touch([id], 'touch', Date.now());
  expect(await store.reading.pendingOperations(id)).toHaveLength(waiting.length);
}

test('no interleaving sends a pause after activity, forgets activity during one, or undoes a caller’s', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.constantFrom(...STEPS), { maxLength: 10 }), play), {
    numRuns: 300,
  });
}, 120_000);
