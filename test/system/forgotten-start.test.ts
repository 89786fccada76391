/** Starts that the registry forgot, or that a dump of some minutes ago remembers as under way. */
import { Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { PRESET } from '../support/system.ts';
import {
  clock,
  closeAll,
  dumpAll,
  guestsAt,
  liveAnHour,
  openWorld,
  restart,
  restoreAll,
  startAnother,
} from './registry-loss.ts';

afterEach(closeAll);

test('a dump of some minutes ago is restored: a guest that somebody works in is kept, though the dump calls its start overdue', async () => {
  const { redis, world } = await openWorld();
  const { reading } = world.system.store;
  // Its reply is lost, so that it looks for its guest, again and again, while that is being cloned.
  const { faults } = world.simulators.pve;
  faults.add({ method: 'POST', path: '/clone$', action: { kind: 'lose-reply' }, times: 1 });
  faults.add({ action: { kind: 'slow-task', taskType: 'qmclone', ms: 3_000 }, times: 1 });
  const begun = world.producer.start({ preset: PRESET });
  await eventually('it is held', async () => {
    const [id = ''] = await reading.dueOperations(Number.MAX_SAFE_INTEGER, 1);
    return (await reading.operation(id))?.attempts.some(({ holdSinceMs }) => holdSinceMs !== undefined);
  });
  const dump = await dumpAll(redis.url);
  const { id } = await begun;
  const guests = guestsAt(world);

  await world.system.close();
  await restoreAll(redis.url, dump);
  // Beyond the deadline of the start, and too young to be told by its heartbeat.
  clock.ms += world.options.timing.startDeadlineMs + 60_000;
  const after = await startAnother(world.options);
  expect(await after.store.automation.read()).toMatchObject({ mode: 'normal' });
  await eventually('its start has settled', async () =>
    ['running', 'failed'].includes((await after.store.reading.sandbox(id))?.state ?? ''),
  );
  await liveAnHour({ system: after });
  expect(guestsAt(world)).toEqual(guests);
  expect((await after.store.reading.sandbox(id))?.state).toBe('running');
});

test('a failover forgets a start that went on: it is made again, and the guest that was forgotten is told of and left alone', async () => {
  const { redis, world } = await openWorld();
  const { store, submitter } = world.system;
  const queue = world.system.queues.byProvider.get('pve-vm');
  await queue?.pause();
  const begun = world.producer.start({ preset: PRESET });
  const [operation = ''] = await eventually('it is accepted', async () => {
    const due = await store.reading.dueOperations(Number.MAX_SAFE_INTEGER, 1);
    return due.length > 0 ? due : undefined;
  });
  await queue?.resume();
  const dump = await dumpAll(redis.url);
  const { id, guestId } = await begun;

  // The workers go on, as after a failover to a replica that had not seen the last writes.
  await restoreAll(redis.url, dump);
  await submitter.advance(operation);
  const again = await eventually('it runs again', async () => {
    const sandbox = await store.reading.sandbox(id);
    return sandbox?.state === 'running' ? sandbox : undefined;
  });
  expect(again.placement?.guestId).not.toBe(guestId);
  await liveAnHour(world);
  expect(
    world
      .vms()
      .map(({ name }) => name)
      .toSorted(),
  ).toEqual([guestId, again.placement?.guestId].toSorted());
  expect((await store.inventory.unowned(10)).map((guest) => guest.id)).toEqual([guestId]);
  expect((await store.alerts.active()).map(({ name }) => name)).toContain('guests.unowned');
});

test('Redis is emptied in the middle of a start: its guest is told of and left alone', async () => {
  let isEmptied = false;
  const { redis, world } = await openWorld(async (step, when) => {
    if (step !== 'configure' || when !== 'before' || isEmptied) return;
    isEmptied = true;
    const hand = new Redis(redis.url);
    await hand.flushall();
    hand.disconnect();
  });
  world.producer.start({ preset: PRESET }, { timeoutMs: 2_000 }).catch(() => undefined);
  await eventually('Redis is emptied', () => isEmptied);
  const after = await restart(world);
  await liveAnHour(after);
  // What Redis proved a moment ago still counts, so it may have been booted.
  expect(world.vms()).toHaveLength(1);
  expect(await after.system.store.inventory.unowned(10)).toHaveLength(1);
  expect(await after.system.store.automation.read()).toMatchObject({ mode: 'adopt_only' });
});
