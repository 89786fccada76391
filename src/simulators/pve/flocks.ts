import { PveFailure } from './pve-failure.ts';

/**
 * File locks on a guest's configuration. They belong to a node, are freed when their holder dies, and are
 * not the `lock` word in the configuration, which outlives its writer (facts/proxmox.md §3).
 */
export interface Flocks {
  /**
   * Runs `body` under the lock. A caller that waits longer than `waitMs` fails with Proxmox's text; one whose
   * signal aborts leaves the queue.
   */
  readonly hold: <T>(request: FlockRequest, body: () => Promise<T>) => Promise<T>;
}

export interface FlockRequest {
  readonly node: string;
  /** For example `/var/lock/qemu-server/lock-105.conf`. */
  readonly file: string;
  readonly mode?: 'exclusive' | 'shared';
  readonly waitMs: number;
  readonly signal?: AbortSignal;
}

interface Waiter {
  readonly mode: 'exclusive' | 'shared';
  readonly admit: () => void;
}

export function createFlocks(): Flocks {
  const held = new Map<string, { readonly mode: 'exclusive' | 'shared'; count: number }>();
  const queues = new Map<string, Waiter[]>();

  const tryTake = (key: string, mode: 'exclusive' | 'shared'): boolean => {
    const current = held.get(key);
    if (current === undefined) held.set(key, { mode, count: 1 });
    else if (mode === 'shared' && current.mode === 'shared') current.count += 1;
    else return false;
    return true;
  };

  /** First come, first served; readers at the head of the queue go in together. */
  const admitNext = (key: string): void => {
    const queue = queues.get(key) ?? [];
    while (queue[0] !== undefined && tryTake(key, queue[0].mode)) queue.shift()?.admit();
    if (queue.length === 0) queues.delete(key);
  };

  const release = (key: string): void => {
    const current = held.get(key);
    if (current === undefined) return;
    current.count -= 1;
    if (current.count > 0) return;
    held.delete(key);
    admitNext(key);
  };

  const take = ({ node, file, mode = 'exclusive', waitMs, signal }: FlockRequest): Promise<void> =>
    new Promise((resolve, reject) => {
      const key = `${node}:${file}`;
      const queue = queues.get(key) ?? [];
      if (queue.length === 0 && tryTake(key, mode)) return resolve();
      queues.set(key, queue);
      const leave = (error: unknown) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        const place = queue.indexOf(waiter);
        if (place >= 0) queue.splice(place, 1);
        reject(error);
        // Whoever stood behind a writer that left may be compatible with the holders.
        admitNext(key);
      };
      const onAbort = () => leave(signal?.reason);
      const timer = setTimeout(
        () => leave(new PveFailure(`can't lock file '${file}' - got timeout`)),
        waitMs,
      ).unref();
      const waiter: Waiter = {
        mode,
        admit: () => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      queue.push(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });

  return {
    hold: async (request, body) => {
      await take(request);
      try {
        return await body();
      } finally {
        release(`${request.node}:${request.file}`);
      }
    },
  };
}
