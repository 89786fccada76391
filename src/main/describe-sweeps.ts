/** Sweeps and their runs, for people. */
import { didSomething, type SweepRun, type SweepSchedule, type SweepView } from '../core/sweep.ts';
import { formatAge } from './describe-sandbox.ts';
import { fittingTable } from './fit.ts';
import { ENDLESS } from './output.ts';

export function describeRun({ counts, dryRun, tookMs, error }: SweepRun): string {
  if (error !== undefined) return `failed after ${tookMs} ms: ${error}`;
  return `${dryRun ? 'would have: ' : ''}${countsText(counts)} (${tookMs} ms)`;
}

/** One line each, and how the last run ended in a few words: a failure is told in full by the sweep's own runs. */
export function describeSweeps(sweeps: readonly SweepView[], nowMs: number, width = ENDLESS): string {
  if (sweeps.length === 0) return 'No process has announced a sweep yet.';
  return fittingTable(
    ['sweep', 'schedule', 'next', 'last run', 'what it did'],
    sweeps.map(({ name, schedule, nextAtMs, paused, lastRun }) => {
      const next = nextAtMs === undefined ? 'no process runs it' : `in ${formatAge(nextAtMs - nowMs)}`;
      return [
        name,
        describeSchedule(schedule),
        paused ? `paused by ${paused.by}` : next,
        lastRun ? lastText(lastRun, nowMs) : 'never',
        lastRun ? describeRun(lastRun) : '',
      ];
    }),
    { width, dispensable: ['schedule', 'what it did'] },
  );
}

function lastText({ startedAtMs, error, counts }: SweepRun, nowMs: number): string {
  const ago = `${formatAge(nowMs - startedAtMs)} ago`;
  if (error !== undefined) return `${ago}, failed`;
  return didSomething(counts) ? `${ago}, acted` : ago;
}

function describeSchedule(schedule: SweepSchedule): string {
  return 'everyMs' in schedule
    ? `every ${formatAge(schedule.everyMs)}`
    : `${schedule.cron} ${schedule.timeZone}`;
}

function countsText(counts: SweepRun['counts']): string {
  return Object.entries(counts)
    .map(([what, count]) => `${what} ${count}`)
    .join(', ');
}
