/** What the control plane gets to see of a session, from its truth. */
import { type AgentPhase, meanWork, openAgent } from './agent-work.ts';
import type { Random } from './random.ts';
import type { Session, Signal, Stretch } from './session.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** How often the guest's timer fires and the provider's counters are read. */
const HEARTBEAT_EVERY_MS = 60 * SECOND_MS;
const COUNTERS_EVERY_MS = 60 * SECOND_MS;
/** An agent's hold, renewed at half its time. */
const HOLD_MS = 10 * MINUTE_MS;
/** What an agent that crashed leaves behind: a hold that nobody renews or releases. */
const LEAKED_HOLD_MS = HOUR_MS;

type Bare = Omit<Session, 'signals'>;

/** @param always what every session of a team has, because its template has it */
export function signalsOf(
  session: Bare,
  random: Random,
  always: { readonly heartbeats?: true } = {},
): readonly Signal[] {
  const habits = { ...habitsOf(session, random), ...always };
  const signals: Signal[] = [];
  for (const [index, stretch] of session.stretches.entries()) {
    if (stretch.truth === 'working') {
      const isLast = session.stretches.slice(index + 1).every(({ truth }) => truth === 'idle');
      signals.push(...signsOfWork(stretch, habits, isLast, random));
    }
    if (habits.tabOpen) signals.push(...polls(stretch, random));
  }
  if (habits.heartbeats) signals.push(...heartbeats(session, habits, random));
  if (session.provider !== 'morph') signals.push(...counters(session, habits, random));
  return signals.sort((a, b) => a.atMs - b.atMs);
}

interface Habits {
  /** Its template has the timer. */
  readonly heartbeats: boolean;
  readonly tabOpen: boolean;
  /** The agent crashes in its last turn and leaves its hold behind. */
  readonly leaksHold: boolean;
  /** The guest's clock is wrong by this, and by `clockJumpMs` more from half time on. */
  readonly clockOffsetMs: number;
  readonly clockJumpMs: number;
  /** When neither timer nor counters reach us. */
  readonly outage?: { readonly fromMs: number; readonly toMs: number };
}

function habitsOf({ kind, provider, lengthMs, stretches }: Bare, random: Random): Habits {
  // Counters show what computes, and Morph has none: else only the timer can tell what the guest does.
  const onlyTimerTells =
    stretches.some(({ vouchedBy }) => vouchedBy === 'guest') &&
    (provider === 'morph' || kind === 'thinking' || kind === 'agent-at-prompt');
  const skewed = kind === 'clock-skew';
  const outageFromMs = random.between(0, Math.floor(lengthMs / 2));
  return {
    heartbeats: onlyTimerTells || skewed || kind === 'missing-signals' || random.chance(0.7),
    tabOpen: kind === 'open-tab' || random.chance(0.1),
    leaksHold: kind === 'abandoned' && random.chance(0.3),
    clockOffsetMs: skewed ? random.between(-3 * HOUR_MS, 3 * HOUR_MS) : random.between(-SECOND_MS, SECOND_MS),
    clockJumpMs: skewed ? random.between(-HOUR_MS, HOUR_MS) : 0,
    ...(kind === 'missing-signals'
      ? { outage: { fromMs: outageFromMs, toMs: outageFromMs + random.between(10 * MINUTE_MS, 3 * HOUR_MS) } }
      : {}),
  };
}

/** Every stretch of work begins with a request, for that is how it got its work: silent ones too. */
function signsOfWork(
  { fromMs, toMs, vouchedBy }: Stretch,
  { leaksHold }: Habits,
  isLast: boolean,
  random: Random,
): readonly Signal[] {
  const signals: Signal[] = [{ type: 'touch', atMs: fromMs }];
  if (vouchedBy === 'touch') {
    for (let atMs = fromMs; atMs < toMs; atMs += random.between(2 * SECOND_MS, 40 * SECOND_MS)) {
      signals.push({ type: 'touch', atMs });
    }
  }
  if (vouchedBy !== 'hold') return signals;
  const owner = `agent-${random.between(1, 3)}`;
  const leaks = leaksHold && isLast;
  for (let atMs = fromMs; atMs < toMs; atMs += HOLD_MS / 2) {
    const lastsMs = leaks && atMs + HOLD_MS / 2 >= toMs ? LEAKED_HOLD_MS : HOLD_MS;
    signals.push({ type: 'hold', atMs, owner, untilMs: atMs + lastsMs });
  }
  if (!leaks) signals.push({ type: 'release', atMs: toMs, owner });
  return signals;
}

function polls({ fromMs, toMs }: Stretch, random: Random): readonly Signal[] {
  const signals: Signal[] = [];
  for (let atMs = fromMs; atMs < toMs; atMs += random.between(20 * SECOND_MS, 5 * MINUTE_MS)) {
    signals.push({ type: 'poll', atMs });
  }
  return signals;
}

function heartbeats(session: Bare, habits: Habits, random: Random): readonly Signal[] {
  const signals: Signal[] = [];
  const phaseMs = random.between(0, HEARTBEAT_EVERY_MS - 1);
  const open = session.kind === 'agent-at-prompt' ? openAgent(session.stretches, random) : undefined;
  for (const { atMs, stretch } of walk(session, HEARTBEAT_EVERY_MS, phaseMs)) {
    if (isOut(habits, atMs)) continue;
    const jumpMs = atMs > session.lengthMs / 2 ? habits.clockJumpMs : 0;
    const busy = isBusyInside(session, stretch);
    signals.push({
      type: 'heartbeat',
      // A network has its delays.
      atMs: atMs + random.between(5, 900),
      guestClockMs: atMs + habits.clockOffsetMs + jumpMs,
      load: busy === 'computes' ? 0.8 + random.next() * 4 : random.next() * 0.08,
      agents: open !== undefined || busy !== 'no' ? 1 : 0,
      ...agentWork(open, busy, atMs, random),
      connections: habits.tabOpen ? random.between(1, 3) : 0,
    });
  }
  return signals;
}

/** Not measured by the first beat, which has nothing to compare with. */
function agentWork(
  open: readonly AgentPhase[] | undefined,
  busy: 'computes' | 'waits' | 'no',
  atMs: number,
  random: Random,
): Pick<Extract<Signal, { type: 'heartbeat' }>, 'agentWork'> {
  if (atMs < HEARTBEAT_EVERY_MS) return {};
  if (open) return { agentWork: meanWork(open, atMs - HEARTBEAT_EVERY_MS, atMs) };
  const cpuShare = busy === 'computes' ? 0.3 + random.next() : random.next() * 0.05;
  return { agentWork: { cpuShare, bytesPerSecond: busy === 'no' ? 0 : random.between(80, 6_000) } };
}

function counters(session: Bare, habits: Habits, random: Random): readonly Signal[] {
  const signals: Signal[] = [];
  const phaseMs = random.between(0, COUNTERS_EVERY_MS - 1);
  for (const { atMs, stretch } of walk(session, COUNTERS_EVERY_MS, phaseMs)) {
    if (isOut(habits, atMs)) continue;
    const busy = isBusyInside(session, stretch);
    signals.push({
      type: 'counters',
      atMs,
      cpuShare: busy === 'computes' ? 0.25 + random.next() * 0.7 : random.next() * 0.02,
      networkBytesPerSecond: habits.tabOpen ? random.between(200, 3_000) : random.between(0, 400),
    });
  }
  return signals;
}

/** What shows inside while this stretch lasts: computing, an agent that streams and waits, or nothing to speak of. */
function isBusyInside({ kind }: Bare, { truth, vouchedBy }: Stretch): 'computes' | 'waits' | 'no' {
  if (truth === 'idle' || vouchedBy === 'nobody') return 'no';
  if (vouchedBy === 'guest') return kind === 'thinking' || kind === 'agent-at-prompt' ? 'waits' : 'computes';
  return kind === 'thinking' ? 'no' : 'waits';
}

function isOut({ outage }: Habits, atMs: number): boolean {
  return outage !== undefined && atMs >= outage.fromMs && atMs < outage.toMs;
}

function* walk(session: Bare, everyMs: number, phaseMs: number) {
  let index = 0;
  for (let atMs = phaseMs; atMs < session.lengthMs; atMs += everyMs) {
    while (index < session.stretches.length - 1 && atMs >= (session.stretches[index] as Stretch).toMs)
      index += 1;
    yield { atMs, stretch: session.stretches[index] as Stretch };
  }
}
