/**
 * Sessions by the thousand from a seed. Knows no policy: intervals and loads follow what agents, people and
 * builds do, and silent workers are at most one in twenty by construction.
 */
import { createRandom, type Random } from './random.ts';
import type { Session, SessionKind, Stretch } from './session.ts';
import { signalsOf } from './session-signals.ts';

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

const KIND_WEIGHTS = {
  'working-with-holds': 20,
  'working-with-touches': 18,
  thinking: 12,
  'long-build': 12,
  'open-tab': 10,
  abandoned: 8,
  flapping: 6,
  'clock-skew': 6,
  'missing-signals': 5,
  'agent-at-prompt': 10,
  'silent-worker': 3,
} as const satisfies Record<SessionKind, number>;

/** Of a hundred sessions at most so many work in silence, whatever the dice say. */
const MAX_SILENT_PERCENT = 5;

export function* generateSessions(seed: number, count: number): Generator<Session> {
  const random = createRandom(seed);
  let silentLeft = Math.floor((count * MAX_SILENT_PERCENT) / 100);
  for (let index = 0; index < count; index += 1) {
    let kind: SessionKind = random.weighted(KIND_WEIGHTS);
    if (kind === 'silent-worker') {
      if (silentLeft === 0) kind = 'working-with-holds';
      else silentLeft -= 1;
    }
    yield generateSession(random, `${kind}-${index}`, kind);
  }
}

export function generateSession(random: Random, id: string, kind: SessionKind): Session {
  const provider = random.weighted({ 'pve-vm': 50, morph: 38, 'pve-lxc': 12 });
  const workloadType = random.weighted({
    dev: 60,
    'quick-task': 12,
    ephemeral: 10,
    'long-running': 12,
    prod: 6,
  });
  const stretches = generateStretches(random, kind, provider === 'pve-lxc');
  const lengthMs = stretches.at(-1)?.toMs ?? 0;
  const bare = {
    id,
    kind,
    provider,
    workloadType,
    startOfDayMs: random.between(0, DAY_MS - 1),
    lengthMs,
    stretches,
  } as const;
  return { ...bare, signals: signalsOf(bare, random) };
}

/** Work and idleness by turns; at the end it lies idle until somebody deletes it. */
function generateStretches(random: Random, kind: SessionKind, isContainer: boolean): readonly Stretch[] {
  const stretches: Stretch[] = [];
  let atMs = 0;
  const add = (truth: Stretch['truth'], lastsMs: number, vouchedBy: Stretch['vouchedBy']) => {
    stretches.push({ fromMs: atMs, toMs: atMs + lastsMs, truth, vouchedBy });
    atMs += lastsMs;
  };
  const turns = random.between(...TURNS[kind]);
  for (let turn = 0; turn < turns; turn += 1) {
    const vouchedBy = voucherOf(random, kind);
    const [shortest, longest] = WORK_MS[kind];
    add('working', random.between(shortest, longest), vouchedBy);
    if (turn < turns - 1) add('idle', gapMs(random, kind), 'nobody');
  }
  add('idle', tailMs(random, kind, isContainer), 'nobody');
  return stretches;
}

const TURNS: Readonly<Record<SessionKind, readonly [number, number]>> = {
  'working-with-holds': [2, 8],
  'working-with-touches': [1, 6],
  thinking: [2, 6],
  'long-build': [1, 3],
  'open-tab': [1, 3],
  abandoned: [1, 2],
  flapping: [15, 60],
  'clock-skew': [2, 5],
  'missing-signals': [2, 4],
  'agent-at-prompt': [1, 5],
  'silent-worker': [1, 3],
};

const WORK_MS: Readonly<Record<SessionKind, readonly [number, number]>> = {
  'working-with-holds': [2 * MINUTE_MS, 90 * MINUTE_MS],
  'working-with-touches': [5 * MINUTE_MS, 2 * HOUR_MS],
  thinking: [5 * MINUTE_MS, 45 * MINUTE_MS],
  'long-build': [20 * MINUTE_MS, 4 * HOUR_MS],
  'open-tab': [5 * MINUTE_MS, HOUR_MS],
  abandoned: [3 * MINUTE_MS, 40 * MINUTE_MS],
  flapping: [20 * SECOND_MS, 90 * SECOND_MS],
  'clock-skew': [5 * MINUTE_MS, HOUR_MS],
  'missing-signals': [10 * MINUTE_MS, 80 * MINUTE_MS],
  'agent-at-prompt': [5 * MINUTE_MS, 90 * MINUTE_MS],
  'silent-worker': [30 * MINUTE_MS, 3 * HOUR_MS],
};

function voucherOf(random: Random, kind: SessionKind): Stretch['vouchedBy'] {
  switch (kind) {
    case 'working-with-holds':
      return 'hold';
    case 'working-with-touches':
    case 'flapping':
      return 'touch';
    case 'thinking':
      return random.weighted({ hold: 7, guest: 2, touch: 1 });
    case 'long-build':
      return 'guest';
    case 'open-tab':
    case 'abandoned':
      return random.weighted({ hold: 1, touch: 1 });
    case 'clock-skew':
      return random.weighted({ guest: 3, hold: 1 });
    case 'agent-at-prompt':
      return random.weighted({ guest: 2, touch: 1 });
    case 'missing-signals':
      return random.weighted({ hold: 2, touch: 1 });
    case 'silent-worker':
      return 'nobody';
  }
}

/** Between two turns: mostly somebody who reads and types, at times a lunch, a meeting, a night. */
function gapMs(random: Random, kind: SessionKind): number {
  if (kind === 'flapping') return random.between(90 * SECOND_MS, 4 * MINUTE_MS);
  const length = random.weighted({ moment: 60, pause: 25, lunch: 10, night: 5 });
  switch (length) {
    case 'moment':
      return random.between(20 * SECOND_MS, 8 * MINUTE_MS);
    case 'pause':
      return random.between(8 * MINUTE_MS, 45 * MINUTE_MS);
    case 'lunch':
      return random.between(45 * MINUTE_MS, 3 * HOUR_MS);
    case 'night':
      return random.between(8 * HOUR_MS, 16 * HOUR_MS);
  }
}

/** How long it lies about at the end. */
function tailMs(random: Random, kind: SessionKind, isContainer: boolean): number {
  // Long enough to meet the rules for containers, which are made of days.
  if (isContainer) return random.between(26 * HOUR_MS, 5 * DAY_MS);
  if (kind === 'abandoned') return random.between(12 * HOUR_MS, 3 * DAY_MS);
  return random.chance(0.3)
    ? random.between(8 * HOUR_MS, 40 * HOUR_MS)
    : random.between(HOUR_MS, 8 * HOUR_MS);
}
