/** `cmux-lifecycle sweeps …`: what they did and when they come next; run, try out, pause and resume each. */
import type { Command } from 'commander';
import type { SweepAction, SweepRun, SweepView } from '../../core/sweep.ts';
import type { Send } from '../../producers/fetch-transport.ts';
import { createSweepControl, type SweepControl } from '../../queues/sweep-queues.ts';
import type { Store } from '../../store/store.ts';
import { type Variables, withConnection } from '../connection.ts';
import { describeRun, describeSweeps } from '../describe-sweeps.ts';
import { type AddCommand, outputOf } from './command.ts';

const CLI = 'cli';
/** A sweep is bounded in batches, but the run before it has to end first. */
const RUN_WAIT_MS = 10 * 60_000;
const LOOK_EVERY_MS = 200;

export const addSweeps: AddCommand = (program, context) => {
  const { environment } = context;
  const sweeps = program.command('sweeps').description('what runs on a schedule');

  sweeps
    .command('list')
    .description('each with its next run, its last run and whether it is paused')
    .action((_options, command: Command) =>
      withSweeps(environment, async (steering) => {
        const listed = await steering.list();
        outputOf(command, context).show(listed, (width) => describeSweeps(listed, Date.now(), width));
      }),
    );

  for (const [name, dryRun, description] of RUNS) {
    sweeps
      .command(`${name} <sweep>`)
      .description(description)
      .action((sweep: string, _options, command: Command) =>
        withSweeps(environment, async (steering) => {
          const run = await runAndWait(steering, sweep, dryRun);
          outputOf(command, context).show(run, () => describeRun(run));
        }),
      );
  }

  sweeps
    .command('pause <sweep>')
    .description('until it is resumed')
    .action((sweep: string, _options, command: Command) =>
      withSweeps(environment, async (steering) => {
        await steering.pause(sweep);
        outputOf(command, context).show({ sweep, paused: true }, () => `${sweep} is paused.`);
      }),
    );

  sweeps
    .command('resume <sweep>')
    .description('lets it go on')
    .action((sweep: string, _options, command: Command) =>
      withSweeps(environment, async (steering) => {
        await steering.resume(sweep);
        outputOf(command, context).show({ sweep, paused: false }, () => `${sweep} goes on.`);
      }),
    );
};

const RUNS = [
  ['run', false, 'now, even while it is paused; prints what it did'],
  ['dry-run', true, 'decides and counts, and changes nothing'],
] as const;

/** What these commands do to sweeps, over either way; who asked is noted by whoever answers. */
interface Steering {
  list(): Promise<readonly SweepView[]>;
  run(name: string, dryRun: boolean): Promise<{ readonly runId: string }>;
  pause(name: string): Promise<void>;
  resume(name: string): Promise<void>;
}

async function withSweeps(environment: Variables, run: (steering: Steering) => Promise<void>): Promise<void> {
  await withConnection(environment, async (connection) => {
    if (connection.via === 'http') return run(overHttp(connection.send));
    const { store } = connection;
    const control = createSweepControl({ ...store, nowMs: Date.now });
    try {
      await run(overRedis(store, control));
    } finally {
      await control.close();
    }
  });
}

function overHttp(send: Send): Steering {
  const steer = async (name: string, action: SweepAction) => {
    const path = `/v1/sweeps/${encodeURIComponent(name)}`;
    return (await send({ method: 'POST', path, body: { action } })).body;
  };
  return {
    async list() {
      const { body } = await send({ method: 'GET', path: '/v1/sweeps' });
      return (body as { readonly sweeps: readonly SweepView[] }).sweeps;
    },
    run: async (name, dryRun) =>
      (await steer(name, dryRun ? 'dry-run' : 'run')) as { readonly runId: string },
    pause: async (name) => void (await steer(name, 'pause')),
    resume: async (name) => void (await steer(name, 'resume')),
  };
}

function overRedis({ audit }: Store, control: SweepControl): Steering {
  const record = (what: string) =>
    audit.append({ atMs: Date.now(), who: CLI, role: 'admin', what, from: CLI, status: 200 });
  return {
    list: control.list,
    async run(name, dryRun) {
      if (!dryRun) await record(`sweeps run ${name}`);
      return control.run(name, { by: CLI, dryRun });
    },
    async pause(name) {
      await control.pause(name, CLI);
      await record(`sweeps pause ${name}`);
    },
    async resume(name) {
      await control.resume(name);
      await record(`sweeps resume ${name}`);
    },
  };
}

async function runAndWait(steering: Steering, name: string, dryRun: boolean): Promise<SweepRun> {
  const { runId } = await steering.run(name, dryRun);
  const giveUpAtMs = performance.now() + RUN_WAIT_MS;
  while (performance.now() < giveUpAtMs) {
    const runs = (await steering.list()).find((sweep) => sweep.name === name)?.runs ?? [];
    const done = runs.find((run) => run.runId === runId);
    if (done) return done;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  throw new Error(`run ${runId} of ${name} has not ended: does a process with the sweeps run?`);
}
