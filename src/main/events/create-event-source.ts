import type { Connection } from '../connection.ts';
import type { EventSource } from './event-source.ts';
import { createHttpEventSource } from './http-event-source.ts';
import { createRedisEventSource } from './redis-event-source.ts';

export function createEventSource(connection: Connection): EventSource {
  return connection.via === 'http' ? createHttpEventSource(connection) : createRedisEventSource(connection);
}
