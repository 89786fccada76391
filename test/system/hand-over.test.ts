import { expect, test } from 'vitest';
import { startSystem } from '../../src/main/system.ts';
import { eventually } from '../support/eventually.ts';
import { FAST_RECOVERY, PRESET, startTestSystem } from '../support/system.ts';

test('a worker that is shut down lets its attempt end, and the next worker takes what comes after', async () => {
  const base = await startTestSystem({ workers: false });
  const first = await startSystem({ ...base.options, roles: ['workers'] });
  try {
    const begun = base.producer.start({ preset: PRESET }, { timeoutMs: 25_000 });
    await eventually('its guest is being made', () => base.vms().length === 1);
    await first.close();
    const sandbox = await begun;
    expect(sandbox.state).toBe('running');
    expect((await base.producer.operation(sandbox.cause)).attempts).toMatchObject([{ outcome: 'succeeded' }]);

    const second = await startSystem({ ...base.options, roles: ['workers'] });
    try {
      expect((await base.producer.pause(sandbox.id)).state).toBe('paused');
    } finally {
      await second.close();
    }
    expect(base.vms()).toHaveLength(1);
  } finally {
    await base.close();
  }
});

test('what does not end within the grace is handed over, and carried on by the next worker with the same guest', async () => {
  const base = await startTestSystem({ workers: false });
  base.simulators.pve.faults.add({ action: { kind: 'slow-task', taskType: 'qmclone', ms: 2_000 }, times: 1 });
  const options = { ...base.options, roles: ['workers'] as const };
  const first = await startSystem({ ...options, recovery: { ...FAST_RECOVERY, drainGraceMs: 1 } });
  const begun = base.producer.start({ preset: PRESET }, { timeoutMs: 25_000 });
  await eventually('its guest is being made', () => base.vms().length === 1);
  await first.close();
  const second = await startSystem(options);
  try {
    const sandbox = await begun;
    expect((await base.producer.operation(sandbox.cause)).attempts).toMatchObject([
      { outcome: 'interrupted', followedBy: 'attempt 2 on pve-vm' },
      { outcome: 'succeeded', provider: 'pve-vm' },
    ]);
    expect(base.vms().map(({ name }) => name)).toEqual([sandbox.guestId]);
  } finally {
    await second.close();
    await base.close();
  }
});
