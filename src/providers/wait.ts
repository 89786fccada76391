/**
 * Sleeps for `ms`, or until the signal aborts, and then rejects with the abort reason itself, as the provider
 * contract asks (the timers of `node:timers/promises` reject with an AbortError of their own).
 */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const timer = setTimeout(finish, ms);
    signal.addEventListener('abort', giveUp, { once: true });

    function finish(): void {
      signal.removeEventListener('abort', giveUp);
      resolve();
    }
    function giveUp(): void {
      clearTimeout(timer);
      reject(signal.reason);
    }
  });
}

export interface PollOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** How long to wait before the next look, given the time since the first one. Default: `backOffMs`. */
  readonly delayMs?: (elapsedMs: number) => number;
}

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 2_000;

/**
 * A tenth of the time already spent, between 100 ms and 2 s: the wait ends at most a tenth late, and a
 * hundred waiting attempts cost a busy Proxmox node no more than fifty small reads a second.
 */
export function backOffMs(elapsedMs: number): number {
  return Math.min(Math.max(elapsedMs / 10, FIRST_DELAY_MS), LONGEST_DELAY_MS);
}

/**
 * Looks again and again until `look` returns something; `undefined` means not yet. Returns `undefined` when
 * the time is up. The last look happens after the time is up, so that a slow poll does not miss the end.
 */
export async function pollUntil<T>(
  look: (elapsedMs: number) => Promise<T | undefined>,
  { signal, timeoutMs, delayMs = backOffMs }: PollOptions,
): Promise<T | undefined> {
  const startedMs = performance.now();
  for (;;) {
    const elapsedMs = performance.now() - startedMs;
    const seen = await look(elapsedMs);
    if (seen !== undefined || elapsedMs >= timeoutMs) return seen;
    await sleep(Math.min(delayMs(elapsedMs), Math.max(timeoutMs - elapsedMs, 0)), signal);
  }
}
