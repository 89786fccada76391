/**
 * A month of a team from a seed: whose sandboxes there are, when they are worked in, when they lie idle, when their
 * owners delete them. Knows no policy and no price. Days and hours are UTC.
 *
 * People start tasks on working days, mostly between eight and five; an agent works in turns, and its owner reads,
 * eats and meets in between. In the evening some delete what is done, some go on the next morning, some forget it.
 */
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../generate-sessions.ts';
import type { Random } from '../random.ts';
import type { Session, SessionKind, Stretch } from '../session.ts';
import { signalsOf } from '../session-signals.ts';

export interface TeamSession {
  readonly session: Session;
  readonly startMs: number;
  readonly userId: string;
  readonly size: { readonly vcpus: number; readonly memoryMib: number; readonly diskGib: number };
}

export interface TeamOptions {
  readonly users: number;
  /** The first instant of a month. */
  readonly monthMs: number;
  readonly days: number;
  /** Multiplies how long a sandbox lies about between its last use and its deletion; 1 is the usual habit. */
  readonly idleFactor: number;
}

/** cmux's two presets; the smaller one is the default. */
const SIZES = {
  '4vcpu_8gb_32gb': { vcpus: 4, memoryMib: 8_192, diskGib: 32 },
  '6vcpu_8gb_32gb': { vcpus: 6, memoryMib: 8_192, diskGib: 32 },
} as const;

/** A user has two to five in a session, says the roadmap; a task is one, and not every day is a busy one. */
const TASKS_A_DAY = [1, 3] as const;
const PRESENT_SHARE = 0.85;
const WEEKEND_SHARE = 0.08;
/** An agent that is let to work through the night. */
const NIGHT_SHARE = 0.03;

export function* generateTeamMonth(random: Random, options: TeamOptions): Generator<TeamSession> {
  for (let day = 0; day < options.days; day += 1) {
    const dayMs = options.monthMs + day * DAY_MS;
    const isWeekend = [0, 6].includes(new Date(dayMs).getUTCDay());
    for (let user = 1; user <= options.users; user += 1) {
      if (!random.chance(isWeekend ? WEEKEND_SHARE : PRESENT_SHARE)) continue;
      const tasks = random.between(...TASKS_A_DAY);
      for (let task = 1; task <= tasks; task += 1) {
        yield generateTask(random, dayMs, `user-${user}`, `${day + 1}-${user}-${task}`, options);
      }
    }
  }
}

function generateTask(
  random: Random,
  dayMs: number,
  userId: string,
  id: string,
  { idleFactor }: TeamOptions,
): TeamSession {
  const atNight = random.chance(NIGHT_SHARE);
  const startOfDayMs = atNight
    ? random.between(18 * HOUR_MS, 20 * HOUR_MS)
    : random.between(8 * HOUR_MS, 16.5 * HOUR_MS);
  const kind: SessionKind = atNight ? 'long-build' : random.weighted(KIND_WEIGHTS);
  const stretches = generateStretches(random, kind, dayMs, startOfDayMs, idleFactor);
  const bare = {
    id,
    kind,
    // Signals as a virtual machine's template and host give them; what Morph does not have is taken away later.
    provider: 'pve-vm' as const,
    workloadType: random.weighted({ dev: 78, 'quick-task': 8, ephemeral: 6, 'long-running': 4, prod: 4 }),
    startOfDayMs,
    lengthMs: stretches.at(-1)?.toMs ?? 0,
    stretches,
  };
  return {
    session: { ...bare, signals: signalsOf(bare, random, { heartbeats: true }) },
    startMs: dayMs + startOfDayMs,
    userId,
    size: SIZES[random.weighted({ '4vcpu_8gb_32gb': 85, '6vcpu_8gb_32gb': 15 })],
  };
}

const KIND_WEIGHTS: Readonly<Record<SessionKind, number>> = {
  'working-with-holds': 40,
  'working-with-touches': 20,
  thinking: 12,
  'long-build': 8,
  'open-tab': 10,
  abandoned: 5,
  flapping: 2,
  'clock-skew': 1,
  'missing-signals': 1,
  'agent-at-prompt': 10,
  'silent-worker': 1,
};

const VOUCHERS: Readonly<Record<SessionKind, Stretch['vouchedBy']>> = {
  'working-with-holds': 'hold',
  'working-with-touches': 'touch',
  thinking: 'hold',
  'long-build': 'guest',
  'open-tab': 'touch',
  abandoned: 'hold',
  flapping: 'touch',
  'clock-skew': 'guest',
  'missing-signals': 'hold',
  'agent-at-prompt': 'guest',
  'silent-worker': 'nobody',
};

/** The end of a working day, after which people only delete. */
const EVENING_MS = 18 * HOUR_MS;

function generateStretches(
  random: Random,
  kind: SessionKind,
  dayMs: number,
  startOfDayMs: number,
  idleFactor: number,
): readonly Stretch[] {
  const stretches: Stretch[] = [];
  let atMs = 0;
  const add = (truth: Stretch['truth'], lastsMs: number) => {
    const vouchedBy = truth === 'working' ? VOUCHERS[kind] : 'nobody';
    stretches.push({ fromMs: atMs, toMs: atMs + Math.round(lastsMs), truth, vouchedBy });
    atMs += Math.round(lastsMs);
  };
  const workAPart = (eveningMs: number) => {
    const turns = random.between(1, kind === 'flapping' ? 12 : 4);
    for (let turn = 0; turn < turns; turn += 1) {
      add('working', turnMs(random, kind));
      if (turn < turns - 1) add('idle', random.between(2 * MINUTE_MS, 50 * MINUTE_MS));
      if (startOfDayMs + atMs > eveningMs) return;
    }
  };
  workAPart(EVENING_MS);
  const ending = random.weighted({ at_once: 45, evening: 22, next_day: 25, forgotten: 8 });
  const eveningMs = Math.max(EVENING_MS - startOfDayMs, atMs + MINUTE_MS);
  switch (ending) {
    case 'at_once':
      add('idle', idleFactor * random.between(5 * MINUTE_MS, 90 * MINUTE_MS));
      break;
    case 'evening':
      add('idle', idleFactor * (eveningMs - atMs + random.between(0, HOUR_MS)));
      break;
    case 'next_day': {
      add('idle', nextMorningMs(random, dayMs, startOfDayMs) - atMs);
      workAPart(Number.POSITIVE_INFINITY);
      add('idle', idleFactor * random.between(5 * MINUTE_MS, 5 * HOUR_MS));
      break;
    }
    case 'forgotten':
      add('idle', idleFactor * random.between(DAY_MS, 4 * DAY_MS));
  }
  return stretches;
}

function turnMs(random: Random, kind: SessionKind): number {
  if (kind === 'flapping') return random.between(MINUTE_MS, 3 * MINUTE_MS);
  if (kind === 'long-build' || kind === 'silent-worker') return random.between(30 * MINUTE_MS, 3 * HOUR_MS);
  return random.between(4 * MINUTE_MS, 45 * MINUTE_MS);
}

/** When the next working day's work begins, as time since the sandbox was started. */
function nextMorningMs(random: Random, dayMs: number, startOfDayMs: number): number {
  const weekday = new Date(dayMs).getUTCDay();
  const days = weekday === 5 ? 3 : weekday === 6 ? 2 : 1;
  return days * DAY_MS + random.between(8 * HOUR_MS, 10 * HOUR_MS) - startOfDayMs;
}
