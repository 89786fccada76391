import { Hono } from 'hono';
import type { Store } from '../store/store.ts';

/** Longer than a healthy Redis ever takes, shorter than any health checker waits. */
const READY_TIMEOUT_MS = 2_000;

/** Whether this process is alive and ready: open to every checker, and tells nothing else. */
export function createHealth(store: Pick<Store, 'redis'>): Hono {
  const health = new Hono();
  health.get('/healthz', (context) => context.json({ status: 'ok' }));
  health.get('/readyz', async (context) => {
    const ready = await answersPing(store);
    return context.json({ status: ready ? 'ready' : 'redis is away' }, ready ? 200 : 503);
  });
  return health;
}

async function answersPing({ redis }: Pick<Store, 'redis'>): Promise<boolean> {
  const timedOut = new Promise<false>((resolve) => {
    setTimeout(resolve, READY_TIMEOUT_MS, false).unref();
  });
  return Promise.race([
    redis.ping().then(
      () => true,
      () => false,
    ),
    timedOut,
  ]);
}
