/**
 * `REDIS_URL` as ioredis takes it: one server (`redis://…`, `rediss://…`), or Sentinels that know which one is the
 * master: `redis+sentinel://user:password@host:26379,host:26379/name-of-the-master`. User and password are those of
 * the Redis, not of the Sentinels.
 */
import type { RedisOptions } from 'ioredis';

const SENTINELS = /^redis\+sentinel:\/\/(?:([^:@/]*):([^@/]*)@)?([\w.-]+:\d+(?:,[\w.-]+:\d+)*)\/([\w.-]+)$/;

/** `undefined`: the address names no Sentinels. */
export function sentinelOptions(url: string): RedisOptions | undefined {
  const match = SENTINELS.exec(url);
  if (match === null) return undefined;
  const [, username, password, hosts = '', name = ''] = match;
  return {
    sentinels: hosts.split(',').map((address) => {
      const [host = '', port] = address.split(':');
      return { host, port: Number(port) };
    }),
    name,
    ...(username ? { username: decodeURIComponent(username) } : {}),
    ...(password ? { password: decodeURIComponent(password) } : {}),
  };
}
