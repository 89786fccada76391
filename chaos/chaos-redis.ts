/**
 * The run's own Redis. It is ended by SIGKILL and comes back with its append-only file, which is synced before
 * each answer: so whatever was accepted is there afterwards, and a promise that is not kept is our fault. With
 * the usual sync once a second a crash of the machine may forget the last second; docs/guarantees.md says so.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ensureRedisBinary } from '../src/platform/redis-binary.ts';
import { type RedisServer, startRedisServer } from '../src/platform/redis-server.ts';

export interface ChaosRedis {
  readonly url: string;
  readonly restarts: () => number;
  readonly isDown: () => boolean;
  /** How long of a span Redis was away. */
  awayMs(fromMs: number, toMs: number): number;
  /** SIGKILL, and back after `downMs`. One at a time: while it is away another restart does nothing. */
  restart(downMs: number): Promise<void>;
  stop(): Promise<void>;
}

/** A killed Redis leaves its port within milliseconds. */
const START_TRIES = 20;
const TRY_AGAIN_MS = 100;

export async function startChaosRedis(): Promise<ChaosRedis> {
  const binary = await ensureRedisBinary({
    path: process.env.PATH ?? '',
    print: (line) => process.stderr.write(`${line}\n`),
  });
  const dataDir = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-chaos-'));
  const options = { binary, dataDir, appendOnly: true, syncAlways: true };
  let server = await startRedisServer(options);
  const { url, port } = server;
  const away: { readonly fromMs: number; toMs: number }[] = [];
  let restarting: Promise<void> | undefined;

  async function killAndStart(downMs: number): Promise<void> {
    const span = { fromMs: Date.now(), toMs: Number.POSITIVE_INFINITY };
    away.push(span);
    await server.kill();
    await delay(downMs);
    server = await startAgain({ ...options, port });
    span.toMs = Date.now();
  }

  return {
    url,
    restarts: () => away.length,
    isDown: () => restarting !== undefined,
    awayMs: (fromMs, toMs) =>
      away.reduce(
        (sum, span) => sum + Math.max(0, Math.min(toMs, span.toMs) - Math.max(fromMs, span.fromMs)),
        0,
      ),
    async restart(downMs) {
      if (restarting) return;
      restarting = killAndStart(downMs).finally(() => {
        restarting = undefined;
      });
      await restarting;
    },
    async stop() {
      await restarting;
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function startAgain(options: Parameters<typeof startRedisServer>[0]): Promise<RedisServer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await startRedisServer(options);
    } catch (error) {
      if (tries >= START_TRIES) throw error;
      await delay(TRY_AGAIN_MS);
    }
  }
}
