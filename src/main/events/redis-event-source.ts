import { reported } from '../../producers/store-trouble.ts';
import type { RedisConnection } from '../connection.ts';
import type { EventNews, EventSource } from './event-source.ts';

/** How long one look waits for news. */
const LOOK_MS = 15_000;

export function createRedisEventSource({ store: { events } }: RedisConnection): EventSource {
  async function* after(from: string, signal: AbortSignal): AsyncIterable<EventNews> {
    let place = from;
    while (!signal.aborted) {
      const read = await reported(() => events.after(place, { waitMs: LOOK_MS, signal }));
      if (read.result === 'lost') {
        yield { news: 'reset', from: place, to: read.newest };
        place = read.newest;
        continue;
      }
      for (const event of read.events) yield { news: 'event', event };
      place = read.events.at(-1)?.id ?? place;
      yield { news: 'place', id: place };
    }
  }
  return { newest: () => reported(events.newest), after };
}
