/**
 * A real redis-server of our own, for local mode and tests.
 *
 * It listens on one loopback port and keeps its data in one folder. A small shell watches over it: it holds
 * the reading end of a pipe whose other end only this process has, and stops Redis when that pipe closes. So
 * Redis ends with us, after a SIGKILL too. What remains: if the watching shell is killed as well, Redis
 * stays behind; the next start on that folder is refused with the command that stops it.
 *
 * The folder is claimed by a lock file made exclusively before Redis starts. The file alone proves nothing: a
 * folder is in use if a Redis with that folder answers at the recorded port, or if a start that is under way
 * owns the file. Anything else is left over from a process that is gone, and is replaced.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, realpath, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { claimDataDir } from './redis-data-dir.ts';
import { askDataDir, askRedis } from './redis-ping.ts';

export interface RedisServerOptions {
  /** Path of `redis-server` or `valkey-server`, from `ensureRedisBinary`. */
  readonly binary: string;
  /** Made when missing; refused when another Redis uses it. */
  readonly dataDir: string;
  /** Keep data across restarts, synced once a second. */
  readonly appendOnly: boolean;
  /** Synced before each answer instead: what was answered survives whatever happens to the machine. */
  readonly syncAlways?: boolean;
  /** Forget what an earlier server left in the folder; only once the folder is ours. */
  readonly fresh?: boolean;
  /** A free one is chosen when absent. */
  readonly port?: number;
}

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Ends the server after it has written its data. May be called more than once. */
  stop(): Promise<void>;
  /** SIGKILL, as the OOM killer would: nothing is written any more. */
  kill(): Promise<void>;
}

/** Loading a large append-only file takes about 1 s per 100 MB; local data stays far below. */
const START_TIMEOUT_MS = 30_000;
/** Redis writes its last data on SIGTERM within milliseconds; past this it is killed. */
const STOP_TIMEOUT_MS = 10_000;
/** Where Redis keeps its append-only file: a folder since 7.0, a single file before. */
const DATA_NAMES = ['appendonlydir', 'appendonly.aof'] as const;
/** Between two PINGs of a server that is starting: it needs about 20 ms. */
const POLL_MS = 10;
/** Another process may take the free port between choosing and binding it; twice in a row is rare. */
const MAX_PORT_TRIES = 5;
/** What is kept of Redis's own output, to explain a start that failed. */
const KEPT_OUTPUT_LINES = 12;

/**
 * Runs a command and ends it when standard input closes. `exit` carries the command's own status, so that
 * the parent learns of a Redis that died by itself.
 */
const WATCH_SCRIPT = `
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
( cat <&3 >/dev/null 2>&1; kill -TERM $child 2>/dev/null ) >/dev/null 2>&1 &
wait $child
`;

/** @throws when the folder is in use, or Redis does not answer; then nothing is left running. */
export async function startRedisServer(options: RedisServerOptions): Promise<RedisServer> {
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  const dataDir = await realpath(options.dataDir);
  for (let tries = 1; ; tries += 1) {
    const port = options.port ?? (await freeLoopbackPort());
    const claim = await claimDataDir(dataDir, port);
    if (options.fresh) await forgetData(dataDir);
    const child = spawnWatched(options.binary, redisArguments(dataDir, port, options));
    try {
      await answered(child, port, dataDir);
      return {
        url: `redis://127.0.0.1:${port}`,
        port,
        stop: () => child.stop().finally(claim.release),
        kill: () => child.kill().finally(claim.release),
      };
    } catch (error) {
      await child.stop();
      await claim.release();
      const portTaken = child.output().includes('Address already in use');
      if (!portTaken || options.port !== undefined || tries >= MAX_PORT_TRIES) throw error;
    }
  }
}

async function forgetData(dataDir: string): Promise<void> {
  for (const name of DATA_NAMES) await rm(join(dataDir, name), { recursive: true, force: true });
}

function redisArguments(
  dataDir: string,
  port: number,
  { appendOnly, syncAlways = false }: RedisServerOptions,
): readonly string[] {
  const settings: Record<string, string> = {
    bind: '127.0.0.1',
    port: String(port),
    dir: dataDir,
    save: '',
    appendonly: appendOnly ? 'yes' : 'no',
    appendfsync: syncAlways ? 'always' : 'everysec',
    'maxmemory-policy': 'noeviction',
    daemonize: 'no',
    logfile: '',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

interface WatchedChild {
  readonly exited: () => boolean;
  readonly output: () => string;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

function spawnWatched(binary: string, args: readonly string[]): WatchedChild {
  // A process group of its own: Ctrl-C in the terminal is for us, and we still need Redis while we drain.
  const child = spawn('/bin/sh', ['-c', WATCH_SCRIPT, 'redis-watch', binary, ...args], {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const output = keepLastLines(child);
  let ended = false;
  const exit = new Promise<void>((resolve) => {
    const settle = () => {
      ended = true;
      child.stdin?.destroy();
      resolve();
    };
    child.once('exit', settle);
    child.once('error', settle);
  });
  child.stdin?.on('error', () => {});
  // It must not keep us alive: it is to end with us.
  child.unref();
  const stop = async () => {
    child.stdin?.destroy();
    const killTimer = setTimeout(() => killGroup(child), STOP_TIMEOUT_MS);
    await exit;
    clearTimeout(killTimer);
  };
  const kill = async () => {
    killGroup(child);
    await exit;
  };
  return { exited: () => ended, output, stop, kill };
}

function keepLastLines(child: ChildProcess): () => string {
  let lines: readonly string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8');
    stream?.on('data', (text: string) => {
      lines = [...lines, ...text.split('\n').filter((line) => line.trim() !== '')].slice(-KEPT_OUTPUT_LINES);
    });
    // The types do not say so, but the streams of a child process are sockets.
    (stream as unknown as { unref?: () => void } | null)?.unref?.();
  }
  return () => lines.join('\n');
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Gone in the meantime.
  }
}

async function answered(child: WatchedChild, port: number, dataDir: string): Promise<void> {
  const giveUpAtMs = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < giveUpAtMs) {
    if (child.exited()) throw new Error(`redis-server ended at once:\n${child.output()}`);
    // The folder is asked for, not just PING: at a port taken by another Redis a PING would succeed too.
    const ours = (await askDataDir(port)) === dataDir;
    // While it loads its data it answers CONFIG, but no command that we need.
    if (ours && (await askRedis(port, ['PING'])).startsWith('+PONG')) return;
    await delay(POLL_MS);
  }
  throw new Error(`redis-server did not answer within ${START_TIMEOUT_MS} ms:\n${child.output()}`);
}

function freeLoopbackPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
