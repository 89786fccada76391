import type { Redis } from 'ioredis';
import type { StoreMemory } from '../core/store-health.ts';

/** Reads it from INFO, which managed offers allow where CONFIG is forbidden; what cannot be read is no bound. */
export async function readRedisMemory(redis: Pick<Redis, 'info'>): Promise<StoreMemory> {
  const text = await redis.info('memory');
  const field = (name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(text)?.[1] ?? '';
  return {
    usedBytes: Number(field('used_memory')),
    maxBytes: Number(field('maxmemory')),
    policy: field('maxmemory_policy'),
  };
}
