/** `cmux-lifecycle events`: what has changed, and with `--follow` what changes. */
import { setTimeout as delay } from 'node:timers/promises';
import { InvalidArgumentError } from 'commander';
import { isLifecycleError } from '../../core/lifecycle-error.ts';
import type { Connection } from '../connection.ts';
import { createEventSource } from '../events/create-event-source.ts';
import { type EventNews, type EventSource, isAfter } from '../events/event-source.ts';
import { EXIT } from '../exit-status.ts';
import type { Output } from '../output.ts';
import { type AddCommand, asking, type CommandContext } from './command.ts';
import { describeEntry } from './why.ts';

interface Options {
  readonly follow?: true;
  readonly after?: string;
  readonly since?: number;
  readonly sandbox?: string;
}

const DEFAULT_SINCE_MS = 60 * 60_000;
const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** A restarted server is back within this; an address that is wrong is not. */
const GIVE_UP_AFTER_MS = 5 * 60_000;
const COME_BACK_AFTER_MS = 1_000;

export const addEvents: AddCommand = (program, context) => {
  program
    .command('events')
    .description('what has changed in the last hour; with --follow also what changes from now on')
    .option('-f, --follow', 'go on until Ctrl-C; where the server comes back, nothing is missed')
    .option('--after <id>', 'what came after this event', eventPlace)
    .option('--since <time>', 'how far back: 30s, 15m, 2h, 7d (with --follow: from now on)', timeSpan)
    .option('--sandbox <id>', 'of this sandbox only')
    .action(
      asking<Options, []>(context, async ({ connection, output, options }) => {
        const shown = shower(output, options.sandbox);
        if (options.follow) await follow(context, connection, options, shown);
        else await readUpToNow(connection, options, shown);
      }),
    );
};

interface Shower {
  show(news: EventNews): void;
  note(line: string): void;
}

function shower(output: Output, sandboxId: string | undefined): Shower {
  return {
    note: output.note,
    show(news) {
      if (news.news === 'reset') {
        output.note(
          `Events between ${news.from} and ${news.to} are no longer kept: list tells the state as it is.`,
        );
      }
      if (news.news !== 'event') return;
      const { event } = news;
      if (sandboxId !== undefined && event.sandboxId !== sandboxId) return;
      output.showLine(event, () => `${event.id}  ${event.sandboxId}  ${describeEntry(event)}`);
    },
  };
}

async function readUpToNow(connection: Connection, options: Options, { show }: Shower): Promise<void> {
  const source = createEventSource(connection);
  const newest = await source.newest();
  const from = startOf(options) ?? placeAt(Date.now() - DEFAULT_SINCE_MS);
  if (!isAfter(newest, from)) return;
  for await (const news of source.after(from, new AbortController().signal)) {
    show(news);
    if (!isAfter(newest, placeOf(news))) return;
  }
}

async function follow(
  { terminal, exitWith }: CommandContext,
  connection: Connection,
  options: Options,
  { show, note }: Shower,
): Promise<void> {
  const source = createEventSource(connection);
  const signal = terminal.interruption();
  let place = await startOfFollowing(source, options);
  let lastHeardMs = performance.now();
  while (!signal.aborted) {
    try {
      for await (const news of source.after(place, signal)) {
        show(news);
        place = placeOf(news);
        lastHeardMs = performance.now();
      }
    } catch (error) {
      if (!isAway(error) || performance.now() - lastHeardMs > GIVE_UP_AFTER_MS) throw error;
      note(`The server does not answer (${error.message}); coming back after ${place}`);
    }
    await delay(COME_BACK_AFTER_MS, undefined, { signal }).catch(() => undefined);
  }
  note(`Go on with: cmux-lifecycle events --follow --after ${place}`);
  exitWith(EXIT.interrupted);
}

function isAway(error: unknown): error is Error {
  return isLifecycleError(error) && ['api_unreachable', 'store_unavailable'].includes(error.code);
}

function placeOf(news: EventNews): string {
  switch (news.news) {
    case 'event':
      return news.event.id;
    case 'reset':
      return news.to;
    case 'place':
      return news.id;
  }
}

/** A place that is still to come would count as one that was lost. */
async function startOfFollowing(source: EventSource, options: Options): Promise<string> {
  if (options.after !== undefined) return options.after;
  const [newest, start] = [await source.newest(), startOf(options)];
  return start !== undefined && isAfter(newest, start) ? start : newest;
}

function startOf({ after, since }: Options): string | undefined {
  return after ?? (since === undefined ? undefined : placeAt(Date.now() - since));
}

/** Ids of events begin with the time by Redis's clock. */
function placeAt(ms: number): string {
  return `${Math.max(0, Math.round(ms))}-0`;
}

function eventPlace(text: string): string {
  if (/^\d{1,16}-\d{1,16}$/.test(text)) return text;
  throw new InvalidArgumentError('Give the id of an event, such as 1763769600000-0.');
}

function timeSpan(text: string): number {
  const [, number, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const unitMs = UNITS_MS[unit];
  if (number !== undefined && unitMs !== undefined) return Number(number) * unitMs;
  throw new InvalidArgumentError('Give a number and s, m, h or d, such as 15m.');
}
