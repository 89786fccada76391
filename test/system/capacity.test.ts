/** The memory of a node is never given away twice, whatever is asked of it and in whatever order. */
import { afterEach, expect, test } from 'vitest';
import { isLifecycleError } from '../../src/core/lifecycle-error.ts';
import { createRandom } from '../../src/simulators/fault-plan.ts';
import { createCapacityBook } from '../../src/store/capacity-book.ts';
import { eventually } from '../support/eventually.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

let running: TestSystem | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

/**
 * Of 40 GiB, 2 GiB are the host's and a tenth is kept for resumes, which leaves room for four guests of 8 GiB. The
 * simulated hypervisor itself takes 4 GiB, so a fifth would bring the OOM killer.
 */
const NODE_MIB = 40 * 1024;
const GUESTS_THAT_FIT = 4;

/** A guest has touched all its memory soon after its start, so that overbooking is punished at once. */
const SHORT = {
  pve: {
    cloneMs: 15,
    startMs: 15,
    suspendMs: 20,
    resumeMs: 15,
    stopMs: 5,
    shutdownMs: 10,
    destroyMs: 5,
    ctCloneMs: 15,
    ctStartMs: 10,
    servicesMs: 10,
    forkMs: 2,
    memoryFillMs: 20,
  },
  morph: { startMs: 15, pauseMs: 15, resumeMs: 10, servicesMs: 5 },
};

async function start(options: Parameters<typeof startTestSystem>[0] = {}): Promise<TestSystem> {
  running = await startTestSystem({ nodeMemoryMib: NODE_MIB, latency: SHORT, ...options });
  return running;
}

test('a node asked for more memory than it has: what does not fit goes to morph, as over_capacity', async () => {
  const { producer, simulators, vms, instances } = await start();
  const sandboxes = await Promise.all(Array.from({ length: 7 }, () => producer.start({ preset: PRESET })));
  const elsewhere = sandboxes.filter(({ provider }) => provider === 'morph');
  expect(vms().map(({ status }) => status)).toEqual(Array(GUESTS_THAT_FIT).fill('running'));
  expect(elsewhere).toHaveLength(7 - GUESTS_THAT_FIT);
  expect(instances()).toHaveLength(7 - GUESTS_THAT_FIT);
  for (const { cause, fellBackFrom } of elsewhere) {
    expect(fellBackFrom).toEqual(['pve-vm']);
    expect((await producer.operation(cause)).attempts).toMatchObject([
      { provider: 'pve-vm', outcome: 'failed', failure: { kind: 'over_capacity', effect: 'none' } },
      { provider: 'morph', outcome: 'succeeded' },
    ]);
  }
  const [first] = sandboxes.filter(({ provider }) => provider === 'pve-vm');
  await producer.destroy(first?.id ?? '');
  expect((await producer.start({ preset: PRESET })).provider).toBe('pve-vm');
  expect(simulators.pve.inventory().oomKills).toBe(0);
});

test('a paused guest’s memory is given away, and its resume waits for room instead of taking it', async () => {
  const { producer, simulators } = await start({ timing: { permitWaitMs: 300 } });
  const begin = () => producer.start({ preset: PRESET, allowFallback: false });
  const sandboxes = await Promise.all(Array.from({ length: GUESTS_THAT_FIT }, begin));
  const paused = sandboxes[0]?.id ?? '';
  await producer.pause(paused);
  const taker = await begin();
  expect(taker.provider).toBe('pve-vm');
  await expect(producer.resume(paused)).rejects.toMatchObject({ code: 'no_capacity' });
  expect(await producer.get(paused)).toMatchObject({ state: 'paused', preservesRam: true });
  await producer.destroy(taker.id);
  expect(await producer.resume(paused)).toMatchObject({ state: 'running', memoryKept: true });
  expect(simulators.pve.inventory().oomKills).toBe(0);
});

/** About 36 s on two quiet cores. With `CAPACITY_OPERATIONS` far below 300 no start may be refused, and it fails for that. */
const OPERATIONS = Number(process.env.CAPACITY_OPERATIONS ?? 1_000);
const SEED = Number(process.env.TEST_SEED ?? 20_261_121);
const MAX_SANDBOXES = 16;
const BATCH = 12;
const TIME_LIMIT_MS = 180_000;

/** What a caller may be told when others change the same sandboxes, and memory is short. */
const EXPECTED_REFUSALS = [
  'no_capacity',
  'no_provider_available',
  'not_found',
  'ram_snapshot_unsupported',
  'sandbox_ended',
  'superseded',
  'too_many_operations',
  'wrong_state',
];

test(
  `${OPERATIONS} random operations (seed ${SEED}): no guest is taken by the OOM killer, and records and inventory agree`,
  async () => {
    // So short that on a quick machine, too, some resume finds no room until its patience ends.
    const test = await start({ timing: { permitWaitMs: 50 } });
    const random = createRandom(SEED);
    const known: string[] = [];
    const outcomes = new Map<string, number>();
    for (let done = 0; done < OPERATIONS; done += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, OPERATIONS - done) }, () =>
        randomOperation(test, known, random).then(
          (what) => what,
          (error: unknown) => (isLifecycleError(error) ? error.code : `unexpected: ${String(error)}`),
        ),
      );
      for (const outcome of await Promise.all(batch)) {
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    }
    const done = ['started', 'paused', 'resumed', 'destroyed'];
    expect(
      [...outcomes.keys()].filter((outcome) => ![...done, ...EXPECTED_REFUSALS].includes(outcome)),
    ).toEqual([]);
    // Else nothing would have been fought for, and there would be nothing to agree about.
    expect([...outcomes.keys()]).toEqual(
      expect.arrayContaining([...done, 'no_capacity', 'no_provider_available']),
    );
    await eventually('condemned guests are removed', async () => (await surplus(test)).length === 0);
    expect(await statesOf(test)).toEqual(inventoryOf(test));
    expect(await reservedBy(test)).toEqual(runningOnProxmox(test));
    expect(test.simulators.pve.inventory().oomKills).toBe(0);
  },
  TIME_LIMIT_MS,
);

async function randomOperation(
  { producer }: TestSystem,
  known: string[],
  random: () => number,
): Promise<string> {
  const target = known[Math.floor(random() * known.length)];
  if (target === undefined || (known.length < MAX_SANDBOXES && random() < 0.25)) {
    const preferredProvider = random() < 0.3 ? 'pve-lxc' : 'pve-vm';
    // Most stay away from morph, so that the node is fought for.
    const sandbox = await producer.start({
      preset: PRESET,
      preferredProvider,
      allowFallback: random() < 0.1,
    });
    known.push(sandbox.id);
    return 'started';
  }
  const dice = random();
  if (dice < 0.55) {
    await producer.pause(target, { requiresRamSnapshot: random() < 0.5 });
    return 'paused';
  }
  if (dice < 0.94) {
    await producer.resume(target);
    return 'resumed';
  }
  known.splice(known.indexOf(target), 1);
  await producer.destroy(target);
  return 'destroyed';
}

/** Guests by name, as their sandboxes' records have them. */
async function statesOf({ producer }: TestSystem): Promise<Readonly<Record<string, string>>> {
  const { sandboxes } = await producer.list({ limit: 200 });
  return sorted(
    sandboxes.map(({ provider, guestId, providerId, state }) => [
      (provider === 'morph' ? providerId : guestId) ?? '',
      state,
    ]),
  );
}

/** The same, as the providers have them. */
function inventoryOf({ vms, instances }: TestSystem): Readonly<Record<string, string>> {
  return sorted([
    ...vms().map(({ name, status }) => [name, status === 'running' ? 'running' : 'paused'] as const),
    ...instances().map(({ id, status }) => [id, status === 'ready' ? 'running' : status] as const),
  ]);
}

function sorted(entries: readonly (readonly [string, string])[]): Readonly<Record<string, string>> {
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Guests at a provider that no sandbox answers for. */
async function surplus(test: TestSystem): Promise<readonly string[]> {
  const states = await statesOf(test);
  return Object.keys(inventoryOf(test)).filter((name) => states[name] === undefined);
}

async function reservedBy({ system, options }: TestSystem): Promise<readonly string[]> {
  const book = createCapacityBook(system.store);
  const reservations = await book.reservations(options.backends.pve?.failureDomain ?? '');
  return reservations.map(({ guestId }) => guestId).sort();
}

function runningOnProxmox({ vms }: TestSystem): readonly string[] {
  return vms()
    .filter(({ status }) => status === 'running')
    .map(({ name }) => name)
    .sort();
}
