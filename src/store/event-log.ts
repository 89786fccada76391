/**
 * Reading the event log as it grows, for any number of readers at once.
 *
 * One connection per process follows the stream with a blocking XREAD and keeps the newest events in memory.
 * A reader says after which event it wants to go on: what memory covers comes from there, what is older
 * comes from Redis. So a slow reader costs no memory, and one that comes back after a restart misses nothing
 * that Redis still has. What was trimmed meanwhile cannot be read: then the reader is told so.
 */
import type { Redis } from 'ioredis';
import type { HistoryEntry } from '../core/events.ts';
import type { Keys } from './keys.ts';
import { fieldsFromList } from './records.ts';

export interface LoggedEvent extends HistoryEntry {
  /** Its place in the log. */
  readonly id: string;
  readonly sandboxId: string;
}

export type EventsAfter =
  | { readonly result: 'events'; readonly events: readonly LoggedEvent[] }
  /** Events between that place and now are gone: read the state anew, and go on from `newest`. */
  | { readonly result: 'lost'; readonly newest: string };

export interface EventLog {
  /** The place of the newest event. */
  newest(): Promise<string>;
  /** Resolves with the next events after a place, oldest first; with none when `waitMs` is over or on abort. */
  after(
    place: string,
    options: { readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<EventsAfter>;
  close(): void;
}

/** Events handed out at once. */
const BATCH = 500;
/** Events kept in memory, some 1 MB: readers that keep up never ask Redis. */
const MEMORY = 2_000;
/** How long one XREAD blocks; a connection that died unnoticed is found after it. */
const BLOCK_MS = 5_000;
/** Redis is away: ask again after this. */
const RETRY_MS = 500;

const PLACE = /^\d{1,16}-\d{1,16}$/;

export function isEventPlace(text: string): boolean {
  return PLACE.test(text);
}

export function createEventLog(redis: Redis, keys: Keys): EventLog {
  const follower = createFollower(redis, keys);

  async function newest(): Promise<string> {
    return (await readBounds(redis, keys)).newest;
  }

  async function fromRedis(place: string): Promise<EventsAfter> {
    const found = await redis.xrange(keys.events, `(${place}`, '+', 'COUNT', BATCH);
    // Looked at after reading: what was trimmed in between counts as lost, never as seen.
    const { newest, oldest, trimmed } = await readBounds(redis, keys);
    const isLost = (trimmed && comparePlaces(place, oldest) < 0) || comparePlaces(place, newest) > 0;
    if (isLost) return { result: 'lost', newest };
    return { result: 'events', events: found.map(parseEvent) };
  }

  return {
    newest,
    async after(place, { waitMs, signal }) {
      const untilMs = performance.now() + waitMs;
      follower.start();
      for (;;) {
        const kept = follower.after(place);
        if (kept === undefined) {
          const read = await fromRedis(place);
          if (read.result === 'lost' || read.events.length > 0) return read;
        } else if (kept.length > 0) {
          return { result: 'events', events: kept.slice(0, BATCH) };
        }
        const leftMs = untilMs - performance.now();
        if (leftMs <= 0 || signal.aborted) return { result: 'events', events: [] };
        await follower.nextHint(leftMs, signal);
      }
    },
    close: follower.close,
  };
}

/** Keeps every event after `floor` up to `head`. */
function createFollower(redis: Redis, keys: Keys) {
  const waiting = new Set<() => void>();
  let kept: LoggedEvent[] = [];
  let covered: { readonly floor: string; readonly head: string } | undefined;
  let connection: Redis | undefined;
  let closed = false;

  async function follow(reader: Redis): Promise<void> {
    while (!closed) {
      try {
        if (covered === undefined) {
          const { newest } = await readBounds(reader, keys);
          covered = { floor: newest, head: newest };
          wakeAll();
        }
        const reply = await reader.xread(
          'COUNT',
          BATCH,
          'BLOCK',
          BLOCK_MS,
          'STREAMS',
          keys.events,
          covered.head,
        );
        keep((reply?.[0]?.[1] ?? []).map(parseEvent));
      } catch {
        // Nobody may take what comes after the gap for all there was: begin anew, from what is newest then.
        covered = undefined;
        kept = [];
        if (!closed) await pause(RETRY_MS);
      }
    }
  }

  function wakeAll(): void {
    for (const wake of [...waiting]) wake();
  }

  function keep(events: readonly LoggedEvent[]): void {
    const head = events.at(-1)?.id;
    if (covered === undefined || head === undefined) return;
    kept.push(...events);
    const dropped = kept.splice(0, Math.max(0, kept.length - MEMORY)).at(-1);
    covered = { floor: dropped?.id ?? covered.floor, head };
    wakeAll();
  }

  return {
    start(): void {
      if (connection || closed) return;
      connection = redis.duplicate({ enableOfflineQueue: true, maxRetriesPerRequest: null });
      connection.on('error', () => {
        // ioredis connects again by itself, and `follow` begins anew.
      });
      void follow(connection);
    },

    /** `undefined`: memory does not say what comes after this place. */
    after(place: string): readonly LoggedEvent[] | undefined {
      if (covered === undefined) return undefined;
      if (comparePlaces(place, covered.floor) < 0 || comparePlaces(place, covered.head) > 0) return undefined;
      return kept.filter(({ id }) => comparePlaces(id, place) > 0);
    },

    nextHint(waitMs: number, signal: AbortSignal): Promise<void> {
      return new Promise((resolve) => {
        // Without the follower nothing wakes: look again soon.
        const timer = setTimeout(wake, covered === undefined ? Math.min(waitMs, RETRY_MS) : waitMs);
        function wake() {
          clearTimeout(timer);
          signal.removeEventListener('abort', wake);
          waiting.delete(wake);
          resolve();
        }
        waiting.add(wake);
        signal.addEventListener('abort', wake);
        if (signal.aborted) wake();
      });
    },

    close(): void {
      closed = true;
      connection?.disconnect();
      wakeAll();
    },
  };
}

interface Bounds {
  readonly oldest: string;
  readonly newest: string;
  /** Events were taken away from the front. */
  readonly trimmed: boolean;
}

async function readBounds(redis: Redis, keys: Keys): Promise<Bounds> {
  const [[newest] = [], [oldest] = []] = await Promise.all([
    redis.xrevrange(keys.events, '+', '-', 'COUNT', 1),
    redis.xrange(keys.events, '-', '+', 'COUNT', 1),
  ]);
  if (newest === undefined || oldest === undefined) {
    return { oldest: '0-0', newest: '0-0', trimmed: false };
  }
  const info = (await redis.xinfo('STREAM', keys.events)) as readonly unknown[];
  const field = (name: string) => Number(info[info.indexOf(name) + 1]);
  // Redis before 7 does not count what was added: there, whatever came before the oldest counts as lost.
  const added = info.includes('entries-added') ? field('entries-added') : Number.POSITIVE_INFINITY;
  return { oldest: oldest[0], newest: newest[0], trimmed: added > field('length') };
}

function parseEvent([id, list]: [id: string, fields: string[]]): LoggedEvent {
  const { type = '', atMs, sandboxId = '', ...facts } = fieldsFromList(list);
  return { id, type, atMs: Number(atMs), sandboxId, facts };
}

function comparePlaces(a: string, b: string): number {
  const [aMs = 0, aSequence = 0] = a.split('-').map(Number);
  const [bMs = 0, bSequence = 0] = b.split('-').map(Number);
  return aMs - bMs || aSequence - bSequence;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
