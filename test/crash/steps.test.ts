/**
 * A worker is killed before and after every side effect of every operation on every driver, and the system
 * carries on. Which steps there are is recorded first; a step that the code names and no recording met fails.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROVIDER_NAMES, type ProviderName } from '../../src/core/provider-name.ts';
import { startSystem } from '../../src/main/system.ts';
import { DEFAULT_LEASE } from '../../src/store/store.ts';
import { startTestSystem, type TestSystem } from '../support/system.ts';
import { type CrashCase, crashWave, expectRest, nameOf, startWaves, type Waves } from './crash-waves.ts';
import { type Scenario, scenariosOf } from './scenarios.ts';

/** About a minute on two quiet cores; a machine that is busy elsewhere takes five times as long. */
const WAVES_TIME_LIMIT_MS = 290_000;
const RECORDING_TIME_LIMIT_MS = 90_000;

const SCENARIOS = PROVIDER_NAMES.flatMap(scenariosOf);

/** Lock and lease of one second; the send deadline leaves a busy machine a little more time than other tests. */
const CRASH_RECOVERY = {
  lease: { leaseMs: 1_000, sendDeadlineMs: 700 },
  lockMs: 1_000,
  stalledCheckMs: 500,
  sweepEveryMs: 500,
};

/** Nobody dies while steps are recorded, and a busy machine must not look like it. */
const PATIENT_RECOVERY = { lease: DEFAULT_LEASE, lockMs: 10_000, stalledCheckMs: 5_000, sweepEveryMs: 500 };

interface Recorded {
  readonly scenario: Scenario;
  readonly steps: readonly string[];
}

let recorded: readonly Recorded[] = [];

beforeAll(async () => {
  recorded = await recordSteps();
}, RECORDING_TIME_LIMIT_MS);

test('every operation has steps, and every step that a driver names is met by one', () => {
  expect(recorded.filter(({ steps }) => steps.length === 0).map(({ scenario }) => scenario.name)).toEqual([]);
  for (const provider of PROVIDER_NAMES) {
    const met = recorded.flatMap(({ scenario, steps }) => (scenario.provider === provider ? steps : []));
    expect([...new Set(met)].sort(), provider).toEqual(
      namedSteps(provider).filter((step) => !NOT_OF[provider].includes(step)),
    );
  }
});

// A deployment each, so that the permits of one do not make the others wait.
describe.concurrent('a worker killed before and after every step', () => {
  test.each(PROVIDER_NAMES)(
    'of every operation on %s: what it began is carried on, nothing is made twice or left',
    async (provider) => {
      const { system, waves } = await startWaveSystem();
      const cases = allCases(recorded.filter(({ scenario }) => scenario.provider === provider));
      for (const wave of planWaves(cases)) await crashWave(system, waves, wave);
      // A create that may never have been sent is proved absent only after the provider's visibility bound.
      await expectRest(system, 90_000);
    },
    WAVES_TIME_LIMIT_MS,
  );
});

const closers: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

async function startWaveSystem(): Promise<{ readonly system: TestSystem; readonly waves: Waves }> {
  const system = await startTestSystem({
    workers: false,
    routing: { primary: 'pve-vm', fallbacks: ['morph'], byWorkload: {} },
    recovery: CRASH_RECOVERY,
    timing: { startDeadlineMs: 240_000 },
    setClock: true,
  });
  closers.push(system.close);
  const waves = await startWaves(system);
  closers.push(waves.close);
  return { system, waves };
}

/** Runs every scenario once, undisturbed, and notes its steps in order. */
async function recordSteps(): Promise<readonly Recorded[]> {
  const base = await startTestSystem({ workers: false, recovery: PATIENT_RECOVERY, setClock: true });
  const seen = new Map<string, string[]>();
  const worker = await startSystem({
    ...base.options,
    async onStep(name, when, { operation: { id } }) {
      if (when === 'before') seen.set(id, [...(seen.get(id) ?? []), name]);
      await Promise.all(SCENARIOS.map(({ meanwhile }) => meanwhile?.(base, `${when} step ${name}`, id)));
    },
  });
  try {
    return await Promise.all(
      SCENARIOS.map(async (scenario) => {
        const operation = await scenario.ask(base, await scenario.prepare(base));
        const settled = await base.system.store.settlements.wait(operation, { timeoutMs: 30_000 });
        expect(settled?.operation.state, `${scenario.name} on ${scenario.provider}`).toBe('succeeded');
        return { scenario, steps: seen.get(operation.id) ?? [] };
      }),
    );
  } finally {
    await worker.close();
    await base.close();
  }
}

const FOLDERS: Readonly<Record<ProviderName, string>> = { 'pve-vm': 'pve', 'pve-lxc': 'pve', morph: 'morph' };

/** The two kinds of Proxmox guests share a folder: a container is shut down and booted where a VM is suspended and resumed, and its clock is the host's. */
const NOT_OF: Readonly<Record<ProviderName, readonly string[]>> = {
  'pve-vm': ['shutdown'],
  'pve-lxc': ['resume', 'set-clock', 'suspend'],
  morph: [],
};

/** As the source says them: `step: 'boot'`. */
function namedSteps(provider: ProviderName): readonly string[] {
  const folder = `src/providers/${FOLDERS[provider]}`;
  const text = readdirSync(folder).map((file) => readFileSync(`${folder}/${file}`, 'utf8'));
  return [
    ...new Set(
      text.flatMap((source) => [...source.matchAll(/step: '([^']+)'/g)].map(([, name = '']) => name)),
    ),
  ].sort();
}

function allCases(all: readonly Recorded[]): readonly CrashCase[] {
  return all.flatMap(({ scenario, steps }) =>
    [...new Set(steps)].flatMap((step) =>
      ['before', 'after'].map((when) => ({ scenario, point: `${when} step ${step}` })),
    ),
  );
}

/**
 * What is held at its point keeps its permits, so that a wave may hold no more of a kind than there are: else
 * its cases would wait for each other for ever.
 */
const AT_ONCE: Readonly<Record<string, number>> = {
  create: 1,
  boot: 3,
  resume: 3,
  suspend: 2,
  stop: 1,
  destroy: 2,
};

/**
 * Creates of containers come last: who dies with a create keeps the turn at its template until it is clear that
 * no clone runs, and every other start of a container would wait for that.
 */
function planWaves(cases: readonly CrashCase[]): readonly (readonly CrashCase[])[] {
  const isLast = (each: CrashCase) => permitOf(each) === 'create pve-lxc';
  const waves: CrashCase[][] = [];
  for (const each of cases.filter((one) => !isLast(one))) {
    const fits = (wave: readonly CrashCase[]) =>
      wave.filter((other) => permitOf(other) === permitOf(each)).length < (AT_ONCE[stepOf(each)] ?? 4);
    const wave = waves.find(fits);
    if (wave) wave.push(each);
    else waves.push([each]);
  }
  // The one that died before it sent anything is the very last.
  const last = cases.filter(isLast).toReversed();
  return [...waves, ...last.map((each) => [each])];
}

function stepOf({ point }: CrashCase): string {
  return point.split(' step ')[1] ?? '';
}

/** Clones are counted per template, the others per node or endpoint; Morph counts nothing. */
function permitOf(crashed: CrashCase): string {
  const { provider } = crashed.scenario;
  const step = stepOf(crashed);
  if (provider === 'morph') return `morph ${nameOf(crashed)}`;
  if (step === 'create') return `create ${provider}`;
  return step === 'resume' ? 'boot' : step;
}
