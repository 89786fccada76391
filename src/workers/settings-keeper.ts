/** Publishes settings again when Redis lost them, so that starts work again without anybody restarting a worker. */
import type { Logger } from '../platform/log.ts';
import type { Store } from '../store/store.ts';

export interface SettingsKeeper {
  close(): void;
}

/** Without settings every start is refused, so soon; one small read each. */
const LOOK_EVERY_MS = 2_000;

/**
 * Only what is gone is published again: of two releases side by side, whichever started last is the one whose
 * settings stay.
 */
export function startSettingsKeeper(
  { store, log }: { readonly store: Store; readonly log: Logger },
  publish: () => Promise<void>,
): SettingsKeeper {
  let isLooking = false;

  async function look(): Promise<void> {
    // While Redis is away commands wait: one look at a time.
    if (isLooking) return;
    isLooking = true;
    try {
      if (await store.deployment.hasSettings()) return;
      await publish();
      log.warn('the published settings were gone from Redis, and are there again');
    } finally {
      isLooking = false;
    }
  }

  const timer = setInterval(() => {
    look().catch((error: unknown) => log.warn({ err: error }, 'could not look after the published settings'));
  }, LOOK_EVERY_MS);
  return { close: () => clearInterval(timer) };
}
