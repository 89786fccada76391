/** What a task that died half-way leaves of a condemned guest: it carries no marker, and somebody still answers for it. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ProviderName } from '../../src/core/provider-name.ts';
import { eventually } from '../support/eventually.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';
import { judgeSystem } from '../support/verdict.ts';
import { reconcileNow } from './reconcile-now.ts';

/** The create can no longer become visible, and a stuck guest is due again. */
const LATER_MS = 11 * 60_000;

let aheadMs = 0;
let world: TestSystem;
beforeEach(async () => {
  aheadMs = 0;
  world = await startTestSystem({
    nowMs: () => Date.now() + aheadMs,
    routing: { primary: 'pve-vm', fallbacks: ['morph'], byWorkload: {} },
  });
});
afterEach(() => world.close());

const KINDS: readonly (readonly [ProviderName, string, string])[] = [
  ['pve-vm', 'qm', 'qm'],
  ['pve-lxc', 'vz', 'pct'],
];

test.each(KINDS)(
  'a removal on %s that fails at its last step leaves a stuck guest, and ends once it is freed',
  async (preferredProvider, prefix, command) => {
    const { guestId, vmid } = await startAndCondemn(preferredProvider, () =>
      world.simulators.pve.faults.add({
        action: { kind: 'fail-task', taskType: `${prefix}destroy`, exitstatus: 'it went wrong', at: 'end' },
        times: 1,
      }),
    );
    await expectStuckUntilFreed(guestId, vmid, command);
  },
);

test.each(KINDS)(
  'a clone on %s whose worker died is condemned and stuck, and ends once it is freed',
  async (preferredProvider, prefix, command) => {
    world.simulators.pve.faults.add({
      action: { kind: 'kill-task', taskType: `${prefix}clone`, at: 'middle' },
      times: 1,
    });
    const sandbox = await world.producer.start({ preset: PRESET, preferredProvider });
    expect(sandbox).toMatchObject({ state: 'running', fellBackFrom: [preferredProvider] });
    const left = world.vms().find((vm) => vm.vmid !== sandbox.vmid);
    const [guestId = ''] = await world.system.store.reading.dueCondemnedGuests(Number.MAX_SAFE_INTEGER, 2);
    await expectStuckUntilFreed(guestId, left?.vmid ?? 0, command);
  },
);

/** As after a start that gave up on a guest which runs. */
async function startAndCondemn(preferredProvider: ProviderName, beforeItGoes: () => void) {
  const { id, guestId = '', vmid = 0 } = await world.producer.start({ preset: PRESET, preferredProvider });
  const { redis, keys } = world.system.store;
  beforeItGoes();
  await redis.hset(keys.sandbox(id), { state: 'failed' });
  await redis.hset(keys.guest(guestId), { state: 'condemned', condemnedAtMs: 1 });
  await redis.zadd(keys.guestsCondemned, 1, guestId);
  return { guestId, vmid };
}

async function expectStuckUntilFreed(guestId: string, vmid: number, command: string): Promise<void> {
  const { store } = world.system;
  const stateIs = async (state: string) => (await store.reading.guest(guestId))?.state === state;
  await eventually('it is stuck', () => stateIs('stuck'));
  await eventually('an alert names the command', async () =>
    (await store.alerts.active()).some(
      ({ name, subject, remediation }) =>
        name === 'guests.stuck' &&
        subject === guestId &&
        remediation === `${command} unlock ${vmid} && ${command} destroy ${vmid} --purge   # as root on pve1`,
    ),
  );
  expect(world.vms().map((vm) => vm.vmid)).toContain(vmid);
  expect((await judgeSystem(world)).unanswered).toEqual([]);

  world.simulators.pve.operator.remove(vmid);
  aheadMs = LATER_MS;
  await eventually('it is gone', () => stateIs('gone'));
  await reconcileNow(world);
  expect(await store.alerts.active()).toEqual([]);
}
