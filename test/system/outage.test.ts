/**
 * Proxmox goes away while many starts arrive, some with a create under way whose reply is lost. What is certain
 * goes on at once, what is not is held first; afterwards nothing is left that nobody answers for.
 */
import { afterEach, expect, test } from 'vitest';
import type { Attempt } from '../../src/core/operation.ts';
import { eventually } from '../support/eventually.ts';
import { FAST_RECOVERY, PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

let running: TestSystem | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

interface FellBack {
  readonly first: Attempt;
  readonly second: Attempt;
}

const STARTS = 200;
/** More than one provider's time-out and hold: a busy machine makes everything later, and nothing wrong. */
const PATIENCE_MS = 150_000;

test('Proxmox goes down while 200 starts arrive: all run, on Morph without a wait where nothing can be left, and nothing is left', async ({
  annotate,
}) => {
  let aheadMs = 0;
  running = await startTestSystem({
    nowMs: () => Date.now() + aheadMs,
    recovery: { ...FAST_RECOVERY, statusEveryMs: 250 },
    timing: { startDeadlineMs: PATIENCE_MS },
  });
  const { producer, simulators, system, vms, instances } = running;
  const { pve } = simulators;
  pve.faults.add({
    method: 'POST',
    path: '/clone$',
    action: { kind: 'lose-reply' },
    probability: 0.5,
  });
  const arriving = Array.from({ length: STARTS }, () =>
    producer.start({ preset: PRESET }, { timeoutMs: PATIENCE_MS }),
  );
  await eventually('some guests are being made', () => vms().length >= 8);
  const downAtMs = Date.now();
  await pve.setDown(true);
  const sandboxes = await Promise.all(arriving);
  expect(new Set(sandboxes.map(({ state }) => state))).toEqual(new Set(['running']));

  const stories = await Promise.all(sandboxes.map(({ cause }) => producer.operation(cause)));
  const fellBack = stories.flatMap(({ attempts }) => {
    const [first, second] = attempts;
    return first?.provider === 'pve-vm' && second?.provider === 'morph' ? [{ first, second }] : [];
  });
  const certain = fellBack.filter(
    ({ first }) => first.failure?.effect === 'none' && first.holdFor !== 'guest',
  );
  const doubtful = fellBack.filter((pair) => !certain.includes(pair));
  expect(certain.length).toBeGreaterThan(0);
  expect(doubtful.length).toBeGreaterThan(0);
  // Most did not even try.
  expect(certain.filter(({ first }) => first.failure?.kind === 'breaker_open').length).toBeGreaterThan(0);
  await annotate(`starts whose effect was none: ${figures(certain, downAtMs)}`);
  await annotate(`starts that were in doubt: ${figures(doubtful, downAtMs)}`);

  pve.faults.clear();
  await pve.setDown(false);
  // Past the time after which a create that is not seen was never made.
  aheadMs = 60_000;
  const placed = sandboxes.flatMap(({ provider, guestId }) => (provider === 'pve-vm' ? [guestId] : []));
  const { redis, keys } = system.store;
  await eventually(
    'only guests of running sandboxes are left at Proxmox, and nobody is condemned any more',
    async () => vms().length === placed.length && (await redis.zcard(keys.guestsCondemned)) === 0,
    PATIENCE_MS,
  );
  expect(
    vms()
      .map(({ name }) => name)
      .toSorted(),
  ).toEqual(placed.toSorted());
  expect(instances()).toHaveLength(STARTS - placed.length);
}, 400_000);

/** From the request, or from when Proxmox went away, to the attempt on Morph, as records have it. */
function figures(pairs: readonly FellBack[], downAtMs: number): string {
  const waits = pairs
    .map(({ first, second }) => second.openedAtMs - Math.max(first.openedAtMs, downAtMs))
    .toSorted((a, b) => a - b);
  const at = (share: number) => waits[Math.min(waits.length - 1, Math.floor(waits.length * share))];
  return `${waits.length}, p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, longest ${waits.at(-1)} ms`;
}
