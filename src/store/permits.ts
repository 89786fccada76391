import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Permits } from '../core/ports.ts';
import { guestsMeantFor, isDone, isTurnOver } from '../core/turn-over.ts';
import type { Keys } from './keys.ts';
import type { Reading } from './reading.ts';
import type { Scripts } from './scripts.ts';

/** A parked attempt asks again every two seconds; one that has not for five times as long has gone elsewhere. */
export const WAITER_LEFT_AFTER_MS = 10_000;

const grantedSchema = z.tuple([z.literal(1), z.number()]).rest(z.number());
const refusedSchema = z.tuple([z.literal(0), z.number(), z.number(), z.string(), z.number(), z.string()]);

/** In the order of the scripts. */
export function permitKeys(keys: Keys, name: string): readonly string[] {
  const { holders, waiters, seen, notes } = keys.permits(name);
  return [holders, waiters, seen, notes];
}

export interface PermitDeps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly scripts: Scripts;
  readonly reading: Reading;
}

/**
 * @param wake tells an operation that its turn has come; it may be late or get lost. False: the operation is
 * over, and its turn passes to the next.
 */
export function createPermits(
  { redis, keys, scripts, reading }: PermitDeps,
  wake: (operationId: string) => Promise<boolean>,
): Permits {
  const keyList = (name: string) => permitKeys(keys, name);

  const permits: Permits = {
    async take(holder, alternatives) {
      const reply = await scripts.run(
        'take-permit',
        alternatives.flatMap(({ name }) => keyList(name)),
        [holder, WAITER_LEFT_AFTER_MS, ...alternatives.map(({ limit }) => limit)],
      );
      const nameAt = (index: number) => alternatives[index - 1]?.name ?? '';
      const granted = grantedSchema.safeParse(reply);
      if (granted.success) {
        const [, taken, ...besides] = granted.data;
        for (const index of besides) await permits.release(holder, nameAt(index));
        return { granted: true, name: nameAt(taken) };
      }
      const [, place, index, oldestHolder, heldForMs, note] = refusedSchema.parse(reply);
      const oldest = { name: nameAt(index), holder: oldestHolder, heldForMs, ...(note ? { note } : {}) };
      return { granted: false, place, oldest };
    },

    async note(holder, name, note) {
      await redis.hset(keys.permits(name).notes, holder, note);
    },

    async isOver(holder, provider) {
      const operation = await reading.operation(holder);
      if (operation === undefined) return false;
      // After the operation: once its attempts there are closed, nobody sends for a guest of theirs any more.
      const guests = await Promise.all(guestsMeantFor(operation, provider).map(reading.guest));
      return isTurnOver(operation, guests, provider);
    },

    async isDone(holder) {
      const operation = await reading.operation(holder);
      return operation !== undefined && isDone(operation);
    },

    async release(holder, name) {
      // Bounded by the line: each turn takes one out of it.
      for (let from = holder; ; ) {
        const next = await scripts.run('release-permit', keyList(name), [from, WAITER_LEFT_AFTER_MS]);
        if (typeof next !== 'string' || next === '' || (await wake(next))) return;
        from = next;
      }
    },
  };
  return permits;
}
