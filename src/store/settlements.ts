/**
 * Waiting for an operation, never for a job. Pub/sub is only the hint that it is time to look; the record is
 * the truth, and a slow poll makes up for every message that was missed.
 */
import type { Redis } from 'ioredis';
import { isSettled, type Operation } from '../core/operation.ts';
import { isRedisTrouble } from '../platform/redis-trouble.ts';
import type { Keys } from './keys.ts';
import type { Reading } from './reading.ts';

/** How late a waiter may hear when the message was lost. One cheap read per waiter in this time. */
const POLL_MS = 1_000;

export interface Settlements {
  /**
   * Resolves with the settled operation, or with `undefined` when the time is over; the operation goes on
   * then. Rejects with the signal's reason on abort. While Redis is away it waits on: the operation was
   * accepted, and an error would say less than that.
   */
  wait(
    operationId: string,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Operation | undefined>;
  close(): Promise<void>;
}

function unlessMistaken(error: unknown): undefined {
  if (!isRedisTrouble(error)) throw error;
}

export function createSettlements(redis: Redis, keys: Keys, reading: Reading): Settlements {
  const waiters = new Map<string, Set<() => void>>();
  let subscriber: Redis | undefined;

  /** One connection per process, made when somebody first waits. */
  function listen(): void {
    if (subscriber) return;
    subscriber = redis.duplicate({ enableOfflineQueue: true, maxRetriesPerRequest: null });
    subscriber.on('error', () => {
      // The poll makes up for it, and ioredis connects again by itself.
    });
    subscriber.on('message', (_channel, operationId: string) => {
      for (const wake of waiters.get(operationId) ?? []) wake();
    });
    subscriber.subscribe(keys.settlements).catch(() => undefined);
  }

  /** Resolves on a message, after the poll interval, at the deadline or on abort, whichever is first. */
  function nextHint(operationId: string, waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const set = waiters.get(operationId) ?? new Set();
      waiters.set(operationId, set);
      const timer = setTimeout(wake, waitMs);
      function wake() {
        clearTimeout(timer);
        signal?.removeEventListener('abort', wake);
        set.delete(wake);
        if (set.size === 0) waiters.delete(operationId);
        resolve();
      }
      set.add(wake);
      signal?.addEventListener('abort', wake);
    });
  }

  return {
    async wait(operationId, { timeoutMs, signal }) {
      listen();
      const deadlineMs = performance.now() + timeoutMs;
      for (;;) {
        signal?.throwIfAborted();
        const leftMs = deadlineMs - performance.now();
        // Listening begins before reading, so that a settlement in between is not missed.
        const hint = nextHint(operationId, Math.max(0, Math.min(POLL_MS, leftMs)), signal);
        const operation = await reading.operation(operationId).catch(unlessMistaken);
        if (operation && isSettled(operation.state)) {
          for (const wake of waiters.get(operationId) ?? []) wake();
          return operation;
        }
        if (leftMs <= 0) return undefined;
        await hint;
      }
    },

    async close() {
      for (const set of waiters.values()) for (const wake of set) wake();
      subscriber?.disconnect();
    },
  };
}
