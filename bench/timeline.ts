/**
 * Where the time of one operation goes, one after the other: when each command was handed to the Redis client and
 * when its answer was there, in ms from the call, as medians; the bare job's beside it. Commands of the same name are
 * numbered in their order, BullMQ's scripts without names of their own. Watching costs a little itself.
 */
import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { readScript, SCRIPT_NAMES } from '../src/store/scripts.ts';
import { withBoth } from './both-sides.ts';
import type { Figures } from './overhead.ts';
import { median } from './statistics.ts';

const WARM_UP_CYCLES = 1_500;
const CYCLES = 300;
/** What not every operation of a kind sends is another's, or a sweep's. */
const MOSTLY = 0.8;

type Runs = Readonly<Record<string, () => Promise<unknown>>>;

interface Sent {
  readonly name: string;
  readonly sentMs: number;
  answeredMs: number;
}

export async function benchTimeline(): Promise<Figures> {
  return withBoth(async ({ producer, bare }) => {
    let id = '';
    const ours: Runs = {
      start: async () => {
        ({ id } = await producer.start({ preset: '4vcpu_8gb_32gb' }));
      },
      pause: () => producer.pause(id),
      resume: () => producer.resume(id),
      destroy: () => producer.destroy(id),
    };
    const theirs: Runs = { bare: bare.run };
    for (let done = 0; done < WARM_UP_CYCLES; done += 1) {
      for (const run of Object.values({ ...ours, ...theirs })) await run();
    }

    const watch = watchCommands();
    const totals = new Map<string, number[]>();
    const commands = new Map<string, Sent[]>();
    // One side after the other: each leaves work behind when its caller is told, which would meet the other.
    for (const side of [ours, theirs]) {
      for (let done = 0; done < CYCLES; done += 1) {
        for (const [kind, run] of Object.entries(side)) {
          const fromMs = performance.now();
          await run();
          append(totals, kind, performance.now() - fromMs);
          for (const { name, sentMs, answeredMs } of watch.take()) {
            const sent = { name, sentMs: sentMs - fromMs, answeredMs: answeredMs - fromMs };
            append(commands, `${kind}: ${name}`, sent);
          }
        }
      }
    }
    watch.stop();
    return Object.fromEntries(
      [...totals.keys()].flatMap((kind) => [
        [`${kind}: told`, round2(median(totals.get(kind) ?? []))],
        ...linesOf(kind, commands),
      ]),
    );
  });
}

function linesOf(kind: string, commands: ReadonlyMap<string, readonly Sent[]>): [string, number][] {
  return [...commands]
    .filter(([name, sent]) => name.startsWith(`${kind}: `) && sent.length >= CYCLES * MOSTLY)
    .map(([name, sent]) => ({
      name,
      sentMs: median(sent.map((each) => each.sentMs)),
      answeredMs: median(sent.map((each) => each.answeredMs).filter(Number.isFinite)),
    }))
    .sort((a, b) => a.sentMs - b.sentMs)
    .flatMap(({ name, sentMs, answeredMs }) => [
      [`${name}, sent`, round2(sentMs)],
      [`${name}, answered`, round2(answeredMs)],
    ]);
}

/** Every command passes here, whoever sends it. */
function watchCommands() {
  const scripts = new Map(
    SCRIPT_NAMES.map((name) => [createHash('sha1').update(readScript(name)).digest('hex'), name]),
  );
  const original = Redis.prototype.sendCommand;
  let seen: Sent[] = [];
  let times = new Map<string, number>();
  Redis.prototype.sendCommand = function watchedSendCommand(command, ...rest) {
    const isScript = command.name === 'evalsha';
    const script = isScript ? (scripts.get(String(command.args[0])) ?? 'script of BullMQ') : command.name;
    const time = (times.get(script) ?? 0) + 1;
    times.set(script, time);
    const sent: Sent = { name: `${script} ${time}`, sentMs: performance.now(), answeredMs: Number.NaN };
    seen.push(sent);
    const answered = () => {
      sent.answeredMs = performance.now();
    };
    command.promise.then(answered, answered);
    return original.call(this, command, ...rest);
  };
  return {
    /** What was sent since it was last asked. */
    take() {
      const taken = seen;
      seen = [];
      times = new Map();
      return taken;
    },
    stop() {
      Redis.prototype.sendCommand = original;
    },
  };
}

function append<T>(lists: Map<string, T[]>, name: string, value: T): void {
  const list = lists.get(name) ?? [];
  lists.set(name, list);
  list.push(value);
}

const round2 = (value: number) => Math.round(value * 100) / 100;
