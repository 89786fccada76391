/**
 * `GET /v1/events`: every change as server-sent events. A reader that comes back says where it was
 * (`Last-Event-ID`) and misses nothing; what was trimmed meanwhile it is told of with a `reset`, after which
 * it should read the state anew.
 */
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import { isLifecycleError, LifecycleError } from '../../core/lifecycle-error.ts';
import type { Logger } from '../../platform/log.ts';
import { isRedisTrouble } from '../../platform/redis-trouble.ts';
import { type EventLog, isEventPlace, type LoggedEvent } from '../../store/event-log.ts';
import type { Caller, LifecycleService } from '../lifecycle-service.ts';
import { invalidRequest } from '../requests.ts';
import { reported } from '../store-trouble.ts';
import type { ApiContext } from './api-context.ts';
import { defineRoute, type Route } from './route.ts';
import { eventSchema } from './schemas.ts';

export interface EventStreamOptions {
  /** Comments in between keep proxies from closing a quiet stream. */
  readonly heartbeatMs: number;
  /** Streams at once in this process: each holds a socket, and a page needs one. */
  readonly maxStreams: number;
  /** A stream ends after this and the reader comes back, checked anew: access that was revoked ends too. */
  readonly maxAgeMs: number;
}

export const DEFAULT_STREAM_OPTIONS: EventStreamOptions = {
  heartbeatMs: 15_000,
  maxStreams: 200,
  maxAgeMs: 15 * 60_000,
};

/** How soon a reader should come back, ms. */
const RECONNECT_MS = 1_000;

export interface EventRoutesDeps {
  readonly service: LifecycleService;
  readonly events: EventLog;
  readonly log: Logger;
}

export function eventRoutes(
  { service, events, log }: EventRoutesDeps,
  options: EventStreamOptions = DEFAULT_STREAM_OPTIONS,
): readonly Route[] {
  let open = 0;

  async function respond(context: ApiContext, caller: Caller): Promise<Response> {
    const lastSeen = context.req.header('last-event-id');
    if (lastSeen !== undefined && !isEventPlace(lastSeen)) {
      throw invalidRequest(['Last-Event-ID: this is no id of an event']);
    }
    context.header('X-Accel-Buffering', 'no');
    if (context.req.method === 'HEAD') {
      return context.body(null, 200, { 'Content-Type': 'text/event-stream' });
    }
    if (open >= options.maxStreams) throw tooManyStreams(options.maxStreams);
    open += 1;
    try {
      return stream(context, caller, lastSeen ?? (await reported(() => events.newest())));
    } catch (error) {
      open -= 1;
      throw error;
    }
  }

  function stream(context: ApiContext, caller: Caller, place: string): Response {
    const signal = AbortSignal.any([context.req.raw.signal, AbortSignal.timeout(options.maxAgeMs)]);
    const { heartbeatMs } = options;
    return streamSSE(context, async (stream) => {
      try {
        await stream.write(`retry: ${RECONNECT_MS}\n`);
        await follow({ stream, events, service, caller, signal, heartbeatMs }, place);
      } catch (error) {
        // The reader comes back by itself and says where it was; what crashed must not end in its stream.
        if (!isStoreAway(error)) log.error({ err: error }, 'an event stream crashed');
      } finally {
        open -= 1;
      }
    });
  }

  return [
    defineRoute({
      method: 'GET',
      path: '/v1/events',
      name: 'streamEvents',
      summary: 'Every change as it happens (server-sent events)',
      description:
        'Resumable: send the id of the last event seen as Last-Event-ID. When events after it are no longer kept, an event `reset` comes first: read the state anew.',
      role: 'viewer',
      headers: { 'Last-Event-ID': 'The id of the last event that was seen.' },
      replies: { 200: { description: 'Events.', schema: eventSchema, contentType: 'text/event-stream' } },
      errors: ['too_many_streams'],
      handle: ({ context, caller }) => respond(context, caller),
    }),
  ];
}

interface Following {
  readonly stream: SSEStreamingApi;
  readonly events: EventLog;
  readonly service: LifecycleService;
  readonly caller: Caller;
  readonly signal: AbortSignal;
  readonly heartbeatMs: number;
}

async function follow({ stream, events, service, caller, signal, heartbeatMs }: Following, from: string) {
  let place = from;
  // An id without data: the reader knows its place before the first event.
  await stream.write(`id: ${place}\n\n`);
  while (!signal.aborted && !stream.aborted && !stream.closed) {
    const read = await events.after(place, { waitMs: heartbeatMs, signal });
    if (read.result === 'lost') {
      place = read.newest;
      await stream.writeSSE({ id: place, event: 'reset', data: JSON.stringify({ from, to: place }) });
      continue;
    }
    for (const event of read.events) {
      place = event.id;
      if (await service.maySee(event.sandboxId, caller)) await stream.writeSSE(formatEvent(event));
    }
    if (read.events.length === 0) await stream.write(`: still here\nid: ${place}\n\n`);
  }
}

function isStoreAway(error: unknown): boolean {
  return isRedisTrouble(error) || (isLifecycleError(error) && error.code === 'store_unavailable');
}

function formatEvent(event: LoggedEvent) {
  return { id: event.id, event: event.type, data: JSON.stringify(event) };
}

function tooManyStreams(maxStreams: number): LifecycleError {
  return new LifecycleError({
    code: 'too_many_streams',
    message: `${maxStreams} event streams are open already`,
    remediation: 'Share one stream among readers, or close those that nobody reads.',
    retryable: true,
  });
}
