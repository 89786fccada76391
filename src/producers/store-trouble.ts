import { LifecycleError, storeFull } from '../core/lifecycle-error.ts';
import { isRedisFull, isRedisTrouble } from '../platform/redis-trouble.ts';

/** Turns "Redis is away" and "Redis is full" into the errors that callers know; every other error passes as it is. */
export async function reported<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (isRedisFull(error)) throw storeFull(error);
    if (!isRedisTrouble(error)) throw error;
    throw new LifecycleError({
      code: 'store_unavailable',
      message: 'Redis cannot be reached',
      remediation: 'Check REDIS_URL and that the server is up, then try again with the same idempotency key.',
      retryable: true,
      cause: error,
    });
  }
}
