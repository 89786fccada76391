/** The self-test: that it finds what is broken, and leaves nothing behind either way. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Preset } from '../../src/core/start-request.ts';
import { type Assumption, runSelftest } from '../../src/main/selftest-steps.ts';
import { DRIVERS } from './drivers.ts';
import { type Rig, specFor, startPveVmRig } from './rig.ts';

const rigs: Rig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});

async function run(rig: Rig) {
  rigs.push(rig);
  const seen: Assumption[] = [];
  const preset: Preset = {
    name: 'small',
    vcpus: 2,
    memoryMib: 2048,
    diskGib: 8,
    sources: specFor(rig.provider).sources,
  };
  const whole = await runSelftest(rig.provider, {
    deployment: { name: 'test', installId: 'install-1' },
    preset,
    usableTimeoutMs: 5_000,
    report: (assumption) => seen.push(assumption),
    signal: AbortSignal.timeout(60_000),
  });
  return { whole, seen, broken: seen.filter(({ verdict }) => verdict === 'broken').map(({ name }) => name) };
}

it.each(DRIVERS)('holds on the simulator of $name, and leaves nothing', async ({ start }) => {
  const rig = await start();
  const { whole, broken, seen } = await run(rig);
  expect(broken).toEqual([]);
  expect(whole).toBe(true);
  expect(seen.some(({ name }) => name.includes('goes on'))).toBe(rig.provider.capabilities.preservesRam);
  expect(rig.nativeIds()).toEqual([]);
});

describe('what is broken', () => {
  it('is named with what to do, and the guest is removed all the same', async () => {
    const rig = await startPveVmRig();
    const exitstatus = "lvcreate 'pve/vm-20000-state' error: Insufficient free space in thin pool";
    rig.faults.add({ action: { kind: 'fail-task', taskType: 'qmsuspend', exitstatus, at: 'begin' } });
    const { whole, broken, seen } = await run(rig);
    expect(whole).toBe(false);
    expect(broken).toEqual(['it is suspended with its memory']);
    expect(seen.find(({ verdict }) => verdict === 'broken')?.detail).toContain('Free space');
    expect(rig.nativeIds()).toEqual([]);
  });

  it('ends it at once where nothing was made', async () => {
    const rig = await startPveVmRig();
    rig.faults.add({ path: '.', action: { kind: 'error', status: 401, message: '' } });
    const { broken, seen } = await run(rig);
    expect(broken).toHaveLength(2);
    expect(seen).toHaveLength(2);
  });
});
