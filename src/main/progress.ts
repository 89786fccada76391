/** What a person sees while a command waits: how long it has been, how long it usually takes, what it is at. */
import type { LifecycleClient } from '../core/client.ts';
import type { OperationKind } from '../core/operation.ts';
import type { OperationView } from '../core/views.ts';
import type { Terminal } from './terminal.ts';

export interface Progress {
  /** What it is at now, such as "attempt 2 on morph". */
  at(stage: string): void;
  usually(ms: number | undefined): void;
  /** Leaves the terminal clean. */
  end(): void;
}

/** Often enough to look alive; a terminal over ssh bears it. */
const REDRAW_MS = 250;
/** In a log file a line now and then is enough. */
const LINE_EVERY_MS = 30_000;
const BACK_TO_START = '\r\u001b[2K';

/** One line that is written over where somebody watches; else a line per stage, and one each half minute. */
export function showProgress(
  { err, isWatched }: Pick<Terminal, 'err' | 'isWatched'>,
  what: string,
  nowMs: () => number = () => performance.now(),
): Progress {
  const startedAtMs = nowMs();
  let [stage, usuallyMs]: [string, number | undefined] = ['', undefined];
  const line = () => describeProgress(what, nowMs() - startedAtMs, stage, usuallyMs);
  const redraw = () => err(isWatched ? `${BACK_TO_START}${line()}` : `${line()}\n`);
  const timer = setInterval(redraw, isWatched ? REDRAW_MS : LINE_EVERY_MS);
  return {
    at(next) {
      if (next === stage) return;
      stage = next;
      redraw();
    },
    usually(ms) {
      usuallyMs = ms;
    },
    end() {
      clearInterval(timer);
      if (isWatched) err(BACK_TO_START);
    },
  };
}

export function describeProgress(
  what: string,
  elapsedMs: number,
  stage: string,
  usuallyMs: number | undefined,
): string {
  const usually = usuallyMs === undefined ? '' : ` (usually about ${formatSeconds(usuallyMs)})`;
  return `${what} … ${formatSeconds(elapsedMs)}${stage === '' ? '' : `, ${stage}`}${usually}`;
}

function formatSeconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 1_000)} s`;
}

/** Enough for a median that one slow start does not move; the newest say most about now. */
const SAMPLE = 200;
/** Below this a median is an anecdote. */
const FEWEST = 3;

/** How long the newest successes of this kind took, on that provider where one is given. */
export async function usualDurationMs(
  client: Pick<LifecycleClient, 'operations'>,
  kind: OperationKind,
  provider?: string,
): Promise<number | undefined> {
  const { operations } = await client.operations({ state: 'succeeded', limit: SAMPLE });
  return medianDurationMs(operations, kind, provider);
}

export function medianDurationMs(
  operations: readonly OperationView[],
  kind: OperationKind,
  provider?: string,
): number | undefined {
  const durations = operations
    .filter((operation) => operation.kind === kind)
    .filter(({ attempts }) => provider === undefined || attempts.at(-1)?.provider === provider)
    .flatMap(({ createdAtMs, settledAtMs }) => (settledAtMs === undefined ? [] : [settledAtMs - createdAtMs]))
    .sort((one, other) => one - other);
  return durations.length < FEWEST ? undefined : durations[Math.floor(durations.length / 2)];
}
