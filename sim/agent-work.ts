/**
 * What an agent's processes do while it runs a tool, waits for its model, or sits open at its prompt, as a guest can
 * measure it: from what such programs do, not from what any policy makes of it.
 */
import type { Random } from './random.ts';
import type { Stretch } from './session.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** To print an answer. */
const ANSWER_MS = 5 * SECOND_MS;

export interface AgentPhase {
  readonly fromMs: number;
  readonly toMs: number;
  /** Of one processor. */
  readonly cpuShare: number;
  readonly bytesPerSecond: number;
}

/** Open from the first stretch to the last, whoever looks: it works in turns and waits at its prompt in between. */
export function openAgent(stretches: readonly Stretch[], random: Random): readonly AgentPhase[] {
  const phases: AgentPhase[] = [];
  // Some look for a newer release every half hour, some once a day.
  const updatesEveryMs = random.between(30 * MINUTE_MS, 24 * HOUR_MS);
  for (const { fromMs, toMs, truth } of stretches) {
    let atMs = fromMs;
    let canBeSilent = true;
    while (atMs < toMs) {
      const phase: Doing =
        truth === 'working' ? turnOf(random, canBeSilent) : promptOf(updatesEveryMs, atMs, random);
      // A turn ends with its answer in the terminal, never in silence.
      const latestMs = phase.isSilent ? Math.max(atMs + SECOND_MS, toMs - ANSWER_MS) : toMs;
      const untilMs = Math.min(toMs, latestMs, atMs + phase.lastsMs);
      phases.push({ fromMs: atMs, toMs: untilMs, ...phase.does });
      atMs = untilMs;
      canBeSilent = !phase.isSilent;
    }
  }
  return phases;
}

/** The mean over a time, as two readings of the kernel's counts give it. */
export function meanWork(
  phases: readonly AgentPhase[],
  fromMs: number,
  toMs: number,
): Pick<AgentPhase, 'cpuShare' | 'bytesPerSecond'> {
  let [cpuShare, bytesPerSecond] = [0, 0];
  for (let at = firstEndingAfter(phases, fromMs); at < phases.length; at += 1) {
    const phase = phases[at] as AgentPhase;
    if (phase.fromMs >= toMs) break;
    const share = (Math.min(phase.toMs, toMs) - Math.max(phase.fromMs, fromMs)) / (toMs - fromMs);
    cpuShare += phase.cpuShare * share;
    bytesPerSecond += phase.bytesPerSecond * share;
  }
  return { cpuShare, bytesPerSecond };
}

interface Doing {
  readonly lastsMs: number;
  readonly isSilent?: true;
  readonly does: Pick<AgentPhase, 'cpuShare' | 'bytesPerSecond'>;
}

/**
 * A tool, or the model: mostly with a clock or a wheel that turns in the terminal, at times with nothing at all. What
 * comes of a silent call is read, and followed by something else.
 */
function turnOf(random: Random, canBeSilent: boolean): Doing {
  switch (random.weighted({ tool: 40, model: 50, silent: canBeSilent ? 10 : 0 })) {
    case 'tool':
      return {
        lastsMs: random.between(5 * SECOND_MS, 90 * SECOND_MS),
        does: { cpuShare: 0.1 + random.next() * 2, bytesPerSecond: random.between(500, 500_000) },
      };
    case 'model':
      return {
        lastsMs: random.between(5 * SECOND_MS, 4 * MINUTE_MS),
        does: { cpuShare: random.next() * 0.08, bytesPerSecond: random.between(80, 6_000) },
      };
    case 'silent':
      // No terminal and an answer that is not streamed. Vendors' libraries give up on one after ten minutes.
      return {
        lastsMs: random.between(20 * SECOND_MS, 10 * MINUTE_MS),
        isSilent: true,
        does: { cpuShare: random.next() * 0.005, bytesPerSecond: random.between(0, 10) },
      };
  }
}

/** Timers of its runtime, and now and then a look for a newer release. */
function promptOf(updatesEveryMs: number, atMs: number, random: Random): Doing {
  if (atMs % updatesEveryMs < 2 * SECOND_MS) {
    const bytesPerSecond = random.between(2_500, 20_000);
    return { lastsMs: 2 * SECOND_MS, does: { cpuShare: random.next() * 0.2, bytesPerSecond } };
  }
  return {
    lastsMs: updatesEveryMs - (atMs % updatesEveryMs),
    does: { cpuShare: random.next() * 0.01, bytesPerSecond: random.between(0, 30) },
  };
}

function firstEndingAfter(phases: readonly AgentPhase[], atMs: number): number {
  let [low, high] = [0, phases.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((phases[middle] as AgentPhase).toMs <= atMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
