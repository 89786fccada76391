/** `cmux-lifecycle sweeps …`: what they did and when they come next; run, try out, pause and resume each. */
import type { Command } from 'commander';
import type { SweepRun, SweepSchedule, SweepView } from '../../core/sweep.ts';
import { connectRedis } from '../../platform/redis.ts';
import { loadRedisConfig } from '../../platform/redis-config.ts';
import { createSweepControl, type SweepControl } from '../../queues/sweep-queues.ts';
import { createStore } from '../../store/store.ts';
import type { Variables } from '../connection.ts';
import { table } from '../output.ts';
import { type AddCommand, outputOf } from './command.ts';

const CLI = 'cli';
/** A sweep is bounded in batches, but the run before it has to end first. */
const RUN_WAIT_MS = 10 * 60_000;
const LOOK_EVERY_MS = 200;

export const addSweeps: AddCommand = (program, context) => {
  const { environment } = context;
  const sweeps = program
    .command('sweeps')
    .description('what runs on a schedule (needs REDIS_URL and DEPLOYMENT)');

  sweeps
    .command('list')
    .description('each with its next run, its last run and whether it is paused')
    .action((_options, command: Command) =>
      withSweeps(environment, async (control) => {
        const listed = await control.list();
        outputOf(command, context).show(listed, () => describe(listed, Date.now()));
      }),
    );

  for (const [name, dryRun, description] of RUNS) {
    sweeps
      .command(`${name} <sweep>`)
      .description(description)
      .action((sweep: string, _options, command: Command) =>
        withSweeps(environment, async (control, record) => {
          if (!dryRun) await record(`sweeps run ${sweep}`);
          const run = await runAndWait(control, sweep, dryRun);
          outputOf(command, context).show(run, () => describeRun(run));
        }),
      );
  }

  sweeps
    .command('pause <sweep>')
    .description('until it is resumed')
    .action((sweep: string, _options, command: Command) =>
      withSweeps(environment, async (control, record) => {
        await control.pause(sweep, CLI);
        await record(`sweeps pause ${sweep}`);
        outputOf(command, context).note(`${sweep} is paused.`);
      }),
    );

  sweeps
    .command('resume <sweep>')
    .description('lets it go on')
    .action((sweep: string, _options, command: Command) =>
      withSweeps(environment, async (control, record) => {
        await control.resume(sweep);
        await record(`sweeps resume ${sweep}`);
        outputOf(command, context).note(`${sweep} goes on.`);
      }),
    );
};

const RUNS = [
  ['run', false, 'now, even while it is paused; prints what it did'],
  ['dry-run', true, 'decides and counts, and changes nothing'],
] as const;

async function withSweeps(
  environment: Variables,
  run: (control: SweepControl, record: (what: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  const { redisUrl, deployment } = loadRedisConfig(environment);
  const redis = await connectRedis(redisUrl, { role: 'producer' });
  const store = createStore(redis, deployment);
  const control = createSweepControl({ ...store, nowMs: Date.now });
  try {
    await run(control, (what) =>
      store.audit.append({ atMs: Date.now(), who: CLI, role: 'admin', what, from: CLI, status: 200 }),
    );
  } finally {
    await control.close();
    await store.close();
    redis.disconnect();
  }
}

async function runAndWait(control: SweepControl, name: string, dryRun: boolean): Promise<SweepRun> {
  const { runId } = await control.run(name, { by: CLI, dryRun });
  const giveUpAtMs = performance.now() + RUN_WAIT_MS;
  while (performance.now() < giveUpAtMs) {
    const runs = (await control.list()).find((sweep) => sweep.name === name)?.runs ?? [];
    const done = runs.find((run) => run.runId === runId);
    if (done) return done;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  throw new Error(`run ${runId} of ${name} has not ended: does a process with the sweeps run?`);
}

function describeRun({ counts, dryRun, tookMs, error }: SweepRun): string {
  if (error !== undefined) return `failed after ${tookMs} ms: ${error}`;
  const parts = Object.entries(counts).map(([what, count]) => `${what} ${count}`);
  return `${dryRun ? 'would have: ' : ''}${parts.join(', ')} (${tookMs} ms)`;
}

function describe(sweeps: readonly SweepView[], nowMs: number): string {
  if (sweeps.length === 0) return 'No process has announced a sweep yet.';
  return table(
    ['sweep', 'schedule', 'next', 'last'],
    sweeps.map(({ name, schedule, nextAtMs, paused, lastRun }) => {
      const next = nextAtMs === undefined ? 'no process runs it' : `in ${seconds(nextAtMs - nowMs)}`;
      return [
        name,
        describeSchedule(schedule),
        paused ? `paused by ${paused.by}` : next,
        lastRun ? `${seconds(nowMs - lastRun.startedAtMs)} ago: ${describeRun(lastRun)}` : 'never',
      ];
    }),
  );
}

function describeSchedule(schedule: SweepSchedule): string {
  return 'everyMs' in schedule
    ? `every ${seconds(schedule.everyMs)}`
    : `${schedule.cron} ${schedule.timeZone}`;
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 100) / 10)} s`;
}
