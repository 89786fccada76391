import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureRedisBinary } from '../src/platform/redis-binary.ts';
import { startRedisServer } from '../src/platform/redis-server.ts';

export interface OwnRedis {
  readonly url: string;
  stop(): Promise<void>;
}

/** A Redis of the benchmark's own, with an append-only file as in production. */
export async function startOwnRedis(): Promise<OwnRedis> {
  const dataDir = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-bench-'));
  const binary = await ensureRedisBinary({
    path: process.env.PATH ?? '',
    print: (line) => process.stderr.write(`${line}\n`),
  });
  const redis = await startRedisServer({ binary, dataDir, appendOnly: true });
  return {
    url: redis.url,
    async stop() {
      await redis.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
