/**
 * Waiting for an operation, never for a job. Pub/sub is only the hint that it is time to look; the record is
 * the truth, and a slow poll makes up for every message that was missed.
 */
import type { Redis } from 'ioredis';
import { isSettled, type Operation } from '../core/operation.ts';
import type { Sandbox } from '../core/sandbox.ts';
import { isRedisTrouble } from '../platform/redis-trouble.ts';
import type { Keys } from './keys.ts';
import type { Reading } from './reading.ts';
import { createSettlementHints } from './settlement-hints.ts';

/** How late a waiter may hear when the message was lost. One cheap read per waiter in this time. */
const POLL_MS = 1_000;

/** What is waited for. */
export interface Awaited {
  readonly id: string;
  /** Given, the sandbox is read together with the settled operation. */
  readonly sandboxId?: string;
  /** Written since this process listens, it cannot have settled unheard, and need not be looked at first. */
  readonly createdAtMs?: number;
}

export interface Settled {
  readonly operation: Operation;
  readonly sandbox?: Sandbox;
}

export interface Settlements {
  /**
   * Resolves with the settled operation, or with `undefined` when the time is over; the operation goes on
   * then. Rejects with the signal's reason on abort. While Redis is away it waits on: the operation was
   * accepted, and an error would say less than that.
   */
  wait(
    operation: Awaited,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Settled | undefined>;
  close(): Promise<void>;
}

function unlessMistaken(error: unknown): undefined {
  if (!isRedisTrouble(error)) throw error;
}

export function createSettlements(redis: Redis, keys: Keys, reading: Reading): Settlements {
  const hints = createSettlementHints(redis, keys);

  async function look({ id, sandboxId }: Awaited): Promise<Settled | undefined> {
    const [operation, sandbox] =
      sandboxId === undefined
        ? [await reading.operation(id)]
        : await reading.operationAndSandbox(id, sandboxId);
    if (operation === undefined || !isSettled(operation.state)) return undefined;
    return sandbox ? { operation, sandbox } : { operation };
  }

  return {
    async wait(awaited, { timeoutMs, signal }) {
      hints.listen();
      const { id, createdAtMs = 0 } = awaited;
      let lookFirst = !hints.heardAllSince(createdAtMs, id);
      const deadlineMs = performance.now() + timeoutMs;
      for (;;) {
        signal?.throwIfAborted();
        const leftMs = deadlineMs - performance.now();
        // Listening begins before reading, so that a settlement in between is not missed.
        const hint = hints.next(id, Math.max(0, Math.min(POLL_MS, leftMs)), signal);
        if (!lookFirst) {
          lookFirst = true;
          await hint;
          continue;
        }
        const settled = await look(awaited).catch(unlessMistaken);
        if (settled) {
          hints.wake(id);
          return settled;
        }
        if (leftMs <= 0) return undefined;
        await hint;
      }
    },

    async close() {
      hints.close();
    },
  };
}
