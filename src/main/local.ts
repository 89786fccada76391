/** Local mode: a Redis and simulators of our own, so that everything can be tried without an account. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { LocalConfig } from '../platform/config.ts';
import { ensureRedisBinary, terminalQuestion } from '../platform/redis-binary.ts';
import { startRedisServer } from '../platform/redis-server.ts';
import { type Backends, type LocalSimulators, simulatedBackends, startLocalSimulators } from './backends.ts';

export interface LocalParts {
  readonly redisUrl: string;
  readonly simulators: LocalSimulators;
  readonly backends: Backends;
  close(): Promise<void>;
}

/**
 * @param dataDir guests, records and queues stay there; refused while another process uses it
 * @param fresh begin with nothing
 */
export async function startLocalParts(
  config: LocalConfig,
  dataDir: string,
  { fresh }: { readonly fresh: boolean },
): Promise<LocalParts> {
  const ask = terminalQuestion();
  const binary = await ensureRedisBinary({
    path: process.env.PATH ?? '',
    print: (line) => process.stderr.write(`${line}\n`),
    ...(ask ? { ask } : {}),
  });
  const redis = await startRedisServer({ binary, dataDir: join(dataDir, 'redis'), appendOnly: true, fresh });
  try {
    const guestsFile = join(dataDir, 'simulators.json');
    if (fresh) await rm(guestsFile, { force: true });
    const simulators = await startLocalSimulators(config, { dataFile: guestsFile });
    return {
      redisUrl: redis.url,
      simulators,
      backends: simulatedBackends(simulators, config.enabledProviders),
      async close() {
        await simulators.close();
        await redis.stop();
      },
    };
  } catch (error) {
    await redis.stop();
    throw error;
  }
}
