import { hostname } from 'node:os';
import type { Store } from '../store/store.ts';

/** A host on NTP is off by milliseconds; one that is off by so much may be off by anything. */
const CLOCK_OFF_MS = 60_000;

/** @throws when this host's clock is not that of Redis: by it a time to live may be over that has just begun. */
export async function requireRightClock(
  { redis }: Pick<Store, 'redis'>,
  hostNowMs: () => number,
): Promise<void> {
  const [seconds] = await redis.time();
  const aheadMs = hostNowMs() - Number(seconds) * 1_000;
  if (Math.abs(aheadMs) < CLOCK_OFF_MS) return;
  const off = `${Math.round(Math.abs(aheadMs) / 1_000)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} Redis's`;
  throw new Error(
    `the clock of ${hostname()} is ${off}: nothing is paused or destroyed by it. Set both by NTP.`,
  );
}
