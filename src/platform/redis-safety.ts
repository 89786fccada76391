import type { Redis } from 'ioredis';
import { ConfigError, type ConfigProblem } from './config-error.ts';

/** `managed`: whoever runs this Redis keeps its data in another way than an append-only file. */
export type RedisDurability = 'aof' | 'managed';

export interface RedisSafety {
  /** What could not be checked, in sentences for the log. */
  readonly warnings: readonly string[];
}

/** BullMQ's scripts use LPOS, which came with 6.0.6; ours use nothing newer. */
const OLDEST_REDIS = [6, 0, 6] as const;
/** What BullMQ recommends. */
const RECOMMENDED_REDIS = [6, 2, 0] as const;

/**
 * Whether records are safe in this Redis: it must never evict and must write to disk. Read from INFO, which
 * managed offers allow where CONFIG is forbidden.
 * @throws ConfigError when it is known to be unsafe; what cannot be read becomes a warning.
 */
export async function checkRedisSafety(
  redis: Pick<Redis, 'info'>,
  { durability }: { readonly durability: RedisDurability },
): Promise<RedisSafety> {
  const problems: ConfigProblem[] = [];
  const warnings: string[] = [];
  const info = await readInfo(redis, warnings);

  const policy = info.get('maxmemory_policy');
  if (policy === undefined) warnings.push('Cannot read maxmemory-policy: make sure it is noeviction.');
  else if (policy !== 'noeviction') problems.push(evicts(policy));

  const appendOnly = info.get('aof_enabled');
  if (durability === 'aof' && appendOnly === undefined) {
    warnings.push('Cannot read whether the append-only file is on: make sure it is.');
  } else if (durability === 'aof' && appendOnly !== '1') problems.push(notDurable());

  const version = info.get('redis_version');
  if (version !== undefined && isBelow(version, OLDEST_REDIS)) problems.push(tooOld(version));
  else if (version !== undefined && isBelow(version, RECOMMENDED_REDIS)) {
    warnings.push(
      `This Redis is version ${version}; BullMQ recommends ${RECOMMENDED_REDIS.join('.')} or later.`,
    );
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return { warnings };
}

async function readInfo(
  redis: Pick<Redis, 'info'>,
  warnings: string[],
): Promise<ReadonlyMap<string, string>> {
  try {
    const text = await redis.info();
    const pairs = text.split('\r\n').map((line) => line.split(':', 2));
    return new Map(pairs.flatMap(([name = '', value]) => (value === undefined ? [] : [[name, value]])));
  } catch (error) {
    warnings.push(`Redis does not let us read INFO (${error instanceof Error ? error.message : error}).`);
    return new Map();
  }
}

function isBelow(version: string, least: readonly number[]): boolean {
  const parts = version.split('.').map(Number);
  const different = least.findIndex((number, index) => (parts[index] ?? 0) !== number);
  return different !== -1 && (parts[different] ?? 0) < (least[different] ?? 0);
}

function evicts(policy: string): ConfigProblem {
  return {
    setting: 'REDIS_URL',
    problem: `this Redis evicts keys when memory runs out (maxmemory-policy ${policy}); sandboxes would be forgotten`,
    remedy:
      'run: redis-cli -u "$REDIS_URL" config set maxmemory-policy noeviction, and set it in its configuration too',
  };
}

function notDurable(): ConfigProblem {
  return {
    setting: 'REDIS_URL',
    problem: 'this Redis keeps no append-only file; a restart would forget sandboxes',
    remedy:
      'run: redis-cli -u "$REDIS_URL" config set appendonly yes, and set it in its configuration too; ' +
      'where the service is durable in another way, set REDIS_DURABILITY=managed',
  };
}

function tooOld(version: string): ConfigProblem {
  return {
    setting: 'REDIS_URL',
    problem: `this Redis is version ${version}`,
    remedy: `use Redis ${RECOMMENDED_REDIS.join('.')} or later, or Valkey`,
  };
}
