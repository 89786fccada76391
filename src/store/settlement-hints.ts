/**
 * Hearing of settlements: one connection per process, subscribed to the channel of their ids. What it tells is a
 * hint that it is time to look; messages get lost.
 */
import type { Redis } from 'ioredis';
import type { Keys } from './keys.ts';

/** A waiter comes a few milliseconds after its operation was written: what settled in between is in here. */
const HEARD_MAX = 1_000;

export interface SettlementHints {
  /** Connects, when somebody first waits. */
  listen(): void;
  /** Resolves on a message, after `waitMs` or on abort, whichever is first. */
  next(operationId: string, waitMs: number, signal: AbortSignal | undefined): Promise<void>;
  /** Ends every waiting for this operation. */
  wake(operationId: string): void;
  /**
   * Whether an operation that was written then cannot have settled unheard. Should the writer's clock be ahead
   * of ours, so that this is wrong, then the waiter's poll finds it.
   */
  heardAllSince(createdAtMs: number, operationId: string): boolean;
  close(): void;
}

export function createSettlementHints(redis: Redis, keys: Keys): SettlementHints {
  const waiters = new Map<string, Set<() => void>>();
  const heard = new Set<string>();
  let listeningSinceMs = Number.POSITIVE_INFINITY;
  let subscriber: Redis | undefined;

  function listen(): void {
    if (subscriber) return;
    const connection = redis.duplicate({
      enableOfflineQueue: true,
      maxRetriesPerRequest: null,
      autoResubscribe: false,
    });
    subscriber = connection;
    connection.on('error', () => {
      // The poll makes up for it, and ioredis connects again by itself.
    });
    connection.on('close', () => {
      listeningSinceMs = Number.POSITIVE_INFINITY;
    });
    // At each new connection, so that it is known since when this process hears.
    connection.on('ready', () => {
      connection.subscribe(keys.settlements).then(
        () => {
          listeningSinceMs = Date.now();
        },
        () => undefined,
      );
    });
    connection.on('message', (_channel, operationId: string) => {
      remember(operationId);
      wake(operationId);
    });
  }

  function wake(operationId: string): void {
    for (const tell of waiters.get(operationId) ?? []) tell();
  }

  function remember(operationId: string): void {
    heard.add(operationId);
    if (heard.size <= HEARD_MAX) return;
    for (const oldest of heard) {
      heard.delete(oldest);
      return;
    }
  }

  function next(operationId: string, waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const set = waiters.get(operationId) ?? new Set();
      waiters.set(operationId, set);
      const timer = setTimeout(tell, waitMs);
      function tell() {
        clearTimeout(timer);
        signal?.removeEventListener('abort', tell);
        set.delete(tell);
        if (set.size === 0) waiters.delete(operationId);
        resolve();
      }
      set.add(tell);
      signal?.addEventListener('abort', tell);
    });
  }

  return {
    listen,
    next,
    wake,
    heardAllSince: (createdAtMs, operationId) => createdAtMs > listeningSinceMs && !heard.has(operationId),
    close() {
      for (const operationId of [...waiters.keys()]) wake(operationId);
      subscriber?.disconnect();
    },
  };
}
