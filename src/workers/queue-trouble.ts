import type { Logger } from '../platform/log.ts';
import { isRedisTrouble } from '../platform/redis-trouble.ts';

/**
 * Logs what goes wrong at a queue. While Redis is away each connection of each queue says so at each try; the
 * process tells that once (see `connectRedis`), so here it is for whoever debugs.
 */
export function tellQueueTrouble(log: Logger, facts: object): (error: unknown) => void {
  return (error) => {
    log[isRedisTrouble(error) ? 'debug' : 'warn']({ ...facts, err: error }, 'queue trouble');
  };
}
