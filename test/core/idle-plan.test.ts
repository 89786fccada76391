import { describe, expect, it } from 'vitest';
import { LOOK_AGAIN_SUSPENDED_MS, type LookInput, planLook } from '../../src/core/idle-plan.ts';
import { decideIdleness } from '../../src/core/idleness.ts';
import { activity, HOUR_MS, idleInput, MINUTE_MS, NOW_MS, watchedFor } from './idle-case.ts';

const idle = decideIdleness(idleInput({ watch: watchedFor(HOUR_MS) }));
const awake = decideIdleness(idleInput({ watch: watchedFor(MINUTE_MS) }));

function lookAt(more: Partial<LookInput>) {
  return planLook({
    verdict: idle,
    activity: activity(),
    record: {},
    mode: 'enforce',
    isPlaceFull: false,
    nowMs: NOW_MS,
    ...more,
  });
}

describe('a look at what is idle', () => {
  it.each<[string, Partial<LookInput>, string, number]>([
    ['is suspended', {}, 'suspend', NOW_MS + LOOK_AGAIN_SUSPENDED_MS],
    ['waits, still due, while its place has enough to do', { isPlaceFull: true }, 'deferred', NOW_MS],
    [
      'is refused while nothing automatic may pause it',
      { refusal: 'in doubt' },
      'refused',
      idle.lookAgainAtMs,
    ],
    [
      'is refused before it takes the place of another',
      { refusal: 'in doubt', isPlaceFull: true },
      'refused',
      idle.lookAgainAtMs,
    ],
    ['is only counted in shadow mode', { mode: 'shadow' }, 'would_suspend', idle.lookAgainAtMs],
    [
      'is counted in shadow mode however much its place has to do',
      { mode: 'shadow', isPlaceFull: true },
      'would_suspend',
      idle.lookAgainAtMs,
    ],
  ])('%s', (_name, more, action, lookAgainAtMs) => {
    const plan = lookAt(more);
    const counts = action === 'suspend' || action === 'would_suspend' ? 1 : 0;
    expect(plan).toMatchObject({ action, lookAgainAtMs, counts: { suspended: counts } });
    expect(plan.isNew).toBe(counts === 1);
  });

  it('keeps what it remembered while it waits for its place', () => {
    const { record } = lookAt({ isPlaceFull: true });
    expect(record.watch).toEqual(idle.watch);
    expect(record.episode).toBeUndefined();
  });

  it('is counted once, however often it is looked at', () => {
    const first = lookAt({ mode: 'shadow' });
    const again = lookAt({ mode: 'shadow', record: first.record, nowMs: NOW_MS + MINUTE_MS });
    expect(again).toMatchObject({ isNew: false, counts: { suspended: 0 } });
  });
});

it('a look at what is not idle does nothing but remember', () => {
  expect(lookAt({ verdict: awake })).toMatchObject({ action: 'none', record: { watch: awake.watch } });
});
