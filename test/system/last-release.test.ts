/**
 * What a release left in Redis in the middle of its work is read, carried on and settled by this one. The
 * fixtures are made by the releases themselves: see test/fixtures/make-records.ts.
 */
import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { startSystem } from '../../src/main/system.ts';
import { connectRedis } from '../../src/platform/redis.ts';
import { createKeys } from '../../src/store/keys.ts';
import { loadRecords, recordsFile } from '../fixtures/records-file.ts';
import { eventually } from '../support/eventually.ts';
import { startTestRedis } from '../support/redis.ts';
import { startTestSystem, type TestSystem } from '../support/system.ts';
import { judgeSystem } from '../support/verdict.ts';

const FIXTURES = 'test/fixtures';
const RELEASES = (await readdir(FIXTURES, { withFileTypes: true }))
  .filter((each) => each.isDirectory())
  .map(({ name }) => name);
/** A start that was begun may have to prove absences first; a loaded machine takes its time besides. */
const TIME_LIMIT_MS = 120_000;
const SETTLED_WITHIN_MS = 90_000;

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

test('there is a fixture of a release', () => {
  expect(RELEASES.length).toBeGreaterThan(0);
});

test.each(RELEASES)(
  'what release %s left in the middle of its work is read, carried on and settled',
  async (release) => {
    const { system, facts } = await openFixture(join(FIXTURES, release));
    const { producer } = system;
    const id = (name: string) => String(facts[name]);
    const stateOf = async (name: string) => (await producer.get(id(name))).state;

    expect(await stateOf('vm')).toBe('running');
    expect(await producer.get(id('pausedVm'))).toMatchObject({ state: 'paused', preservesRam: true });
    expect(await stateOf('ended')).toBe('destroyed');
    const { history } = await producer.why(id('vm'));
    expect(history.length).toBeGreaterThan(0);

    const workers = await startSystem(system.options);
    closers.push(workers.close);
    await eventually(
      'everything that was under way has settled',
      async () => {
        const found = await Promise.all(['abandoned', 'waiting', 'vmToPause', 'toDestroy'].map(stateOf));
        return found.join() === 'running,running,paused,destroyed' || undefined;
      },
      SETTLED_WITHIN_MS,
    );
    const guest = async () => (await system.system.store.reading.guest(id('condemned')))?.state;
    await eventually('the condemned guest is removed', async () => (await guest()) === 'gone');

    expect(await producer.resume(id('pausedVm'))).toMatchObject({ state: 'running', memoryKept: true });
    expect(await producer.resume(id('pausedContainer'))).toMatchObject({ memoryKept: false });
    expect((await producer.destroy(id('instance'))).state).toBe('destroyed');
    // The key of a start answers as it did before the upgrade.
    const again = await producer.start(
      {
        preset: '4vcpu_8gb_32gb',
        preferredProvider: 'pve-vm',
        teamId: 'team-1',
        metadata: { app: 'fixture' },
      },
      { idempotencyKey: 'a-key-of-the-last-release' },
    );
    expect(again.id).toBe(id('vm'));
    const { lost, duplicates, unanswered, unsettled } = await judgeSystem(system);
    // Its record was made condemned by hand, under a sandbox that ran: that one has lost its guest.
    expect(lost.filter(({ why }) => !why.includes(id('condemned')))).toEqual([]);
    expect({ duplicates, unanswered, unsettled }).toEqual({ duplicates: [], unanswered: [], unsettled: [] });
  },
  TIME_LIMIT_MS,
);

/** Its keys in a Redis of their own, its machines in the simulators, and its time of day. */
async function openFixture(folder: string): Promise<{
  readonly system: TestSystem;
  readonly facts: Readonly<Record<string, string | number>>;
}> {
  const { facts, records } = recordsFile.parse(
    JSON.parse(await readFile(join(folder, 'records.json'), 'utf8')),
  );
  const scratch = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-fixture-'));
  closers.push(() => rm(scratch, { recursive: true, force: true }));
  const dataFile = join(scratch, 'simulators.json');
  await copyFile(join(folder, 'simulators.json'), dataFile);
  const redis = await startTestRedis();
  closers.push(redis.stop);
  const connection = await connectRedis(redis.url, { role: 'worker' });
  await loadRecords(connection, records);
  // The upgrade comes at once: a heartbeat of long ago would mean a restored dump, and Redis's clock judges it.
  await connection.hset(createKeys('fixture').deployment, 'heartbeatMs', Date.now());
  connection.disconnect();
  // Deadlines of that time are still to come.
  const aheadMs = Date.now() - Number(facts.madeAtMs);
  const system = await startTestSystem({
    workers: false,
    redisUrl: redis.url,
    deployment: 'fixture',
    dataFile,
    nowMs: () => Date.now() - aheadMs,
  });
  closers.push(system.close);
  return { system, facts };
}
