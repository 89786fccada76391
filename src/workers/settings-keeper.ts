/**
 * Keeps the settings in force published, so that starts work again after Redis lost them, and nobody goes by the
 * settings of a process that is gone. Each process announces its own; those in force are published again by
 * the process that has them (`core/settings-agreement.ts`). That others have different ones is told by the sweep
 * `watch-deployment`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { settingsInForce } from '../core/settings-agreement.ts';
import type { Logger } from '../platform/log.ts';
import type { OwnAnnouncement } from '../store/settings-announcements.ts';
import type { Store } from '../store/store.ts';

export interface SettingsKeeper {
  /** Takes back what this process announced, so that those who stay need not wait until it counts as gone. */
  close(): Promise<void>;
}

export interface SettingsKeeperDeps {
  readonly store: Pick<Store, 'announcements' | 'deployment'>;
  readonly log: Logger;
  /** Default 15 s. */
  readonly announceEveryMs?: number;
}

/** Without settings every start is refused, so soon; one small read each. */
const LOOK_EVERY_MS = 2_000;
/** A Redis that is away keeps nobody from shutting down: a minute later the process counts as gone all the same. */
const LEAVE_WITHIN_MS = 1_000;
/** Four fit into the time after which a process counts as gone. */
const ANNOUNCE_EVERY_MS = 15_000;

/**
 * Announces before it publishes, so that no other process takes itself for the one in force in between. Both are done
 * when it resolves, unless the one in force started later by its own clock.
 * @param publish may be called any number of times
 */
export async function startSettingsKeeper(
  { store, log, announceEveryMs = ANNOUNCE_EVERY_MS }: SettingsKeeperDeps,
  own: OwnAnnouncement,
  publish: () => Promise<void>,
): Promise<SettingsKeeper> {
  let wasInForce = true;

  async function announce(): Promise<void> {
    const inForce = settingsInForce(await store.announcements.announce(own));
    const isInForce = inForce?.process === own.process;
    // Whoever it was may have published last and be gone since: said once, done each time.
    if (isInForce) await publish();
    if (isInForce && !wasInForce)
      log.warn('the settings of this process are in force: those after it are gone');
    wasInForce = isInForce;
  }

  async function look(): Promise<void> {
    if (await store.deployment.hasSettings()) return;
    await publish();
    log.warn('the published settings were gone from Redis, and are there again');
  }

  await announce();
  const repeated = [
    repeat(look, LOOK_EVERY_MS, (err) => log.warn({ err }, 'could not look after the published settings')),
    repeat(announce, announceEveryMs, (err) => log.warn({ err }, 'could not announce the settings')),
  ];
  return {
    async close() {
      const ended = Promise.all(repeated.map(({ stop }) => stop()));
      const left = ended
        .then(() => store.announcements.leave(own.process))
        .catch((err: unknown) => log.debug({ err }, 'could not take back the announced settings'));
      await Promise.race([left, delay(LEAVE_WITHIN_MS, undefined, { ref: false })]);
    },
  };
}

/** While Redis is away commands wait: one run at a time. `stop` waits for the one that is under way. */
function repeat(run: () => Promise<void>, everyMs: number, onError: (error: unknown) => void) {
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= run()
      .catch(onError)
      .finally(() => {
        running = undefined;
      });
  }, everyMs);
  return {
    async stop(): Promise<void> {
      clearInterval(timer);
      await running;
    },
  };
}
