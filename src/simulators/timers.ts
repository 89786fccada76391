/** Longest delay setTimeout takes; a longer one would fire at once (Node: "overflow, set to 1"). */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export interface Timers {
  /** Runs `run` once after `delayMs` (however long); returns a function that cancels it. */
  readonly after: (delayMs: number, run: () => void) => () => void;
  readonly every: (intervalMs: number, run: () => void) => void;
  /** Rejects with the signal's reason when it aborts first. After `clear()` it never settles. */
  readonly sleep: (delayMs: number, signal?: AbortSignal) => Promise<void>;
  /** Cancels everything: what was under way stays as it is, like a machine whose power was cut. */
  readonly clear: () => void;
}

/** All timers of one simulator. They are unref'ed: a test that forgets `close()` still ends. */
export function createTimers(): Timers {
  const cancels = new Set<() => void>();
  let cleared = false;

  const after = (delayMs: number, run: () => void): (() => void) => {
    if (cleared) return () => {};
    const hop = Math.min(Math.max(0, delayMs), MAX_TIMEOUT_MS);
    let cancelNext = () => {};
    const timer = setTimeout(() => {
      cancels.delete(cancel);
      if (delayMs > MAX_TIMEOUT_MS) cancelNext = after(delayMs - MAX_TIMEOUT_MS, run);
      else run();
    }, hop).unref();
    const cancel = () => {
      clearTimeout(timer);
      cancelNext();
      cancels.delete(cancel);
    };
    cancels.add(cancel);
    return cancel;
  };

  return {
    after,
    every: (intervalMs, run) => {
      if (cleared) return;
      const timer = setInterval(run, intervalMs).unref();
      cancels.add(() => clearInterval(timer));
    },
    sleep: (delayMs, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const onAbort = () => {
          cancel();
          reject(signal?.reason);
        };
        const cancel = after(delayMs, () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        });
        signal?.addEventListener('abort', onAbort, { once: true });
      }),
    clear: () => {
      cleared = true;
      for (const cancel of [...cancels]) cancel();
      cancels.clear();
    },
  };
}
