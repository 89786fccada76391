import type { Redis } from 'ioredis';
import { isStoreFull } from '../core/store-health.ts';
import { readRedisMemory } from '../platform/redis-memory.ts';

/** Whether Redis is too full to take in anything new. */
export interface MemoryWatch {
  isFull(): Promise<boolean>;
}

/** A busy second of starts writes some 100 kB: the answer may be this old, and starts do not pay for it. */
const KNOWN_FOR_MS = 1_000;

export function createMemoryWatch(redis: Pick<Redis, 'info'>): MemoryWatch {
  let known: { readonly untilMs: number; readonly full: Promise<boolean> } | undefined;
  return {
    isFull() {
      const nowMs = performance.now();
      if (known === undefined || known.untilMs <= nowMs) {
        const full = readRedisMemory(redis).then(isStoreFull);
        const asked = { untilMs: nowMs + KNOWN_FOR_MS, full };
        known = asked;
        full.catch(() => {
          if (known === asked) known = undefined;
        });
      }
      return known.full;
    },
  };
}
