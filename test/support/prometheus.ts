/** A real Prometheus and its promtool, of Debian's package. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { ensureDebianTool } from './debian-tool.ts';
import { eventually } from './eventually.ts';
import { freePort } from './redis.ts';

const PROMETHEUS = '/usr/bin/prometheus';
const PROMTOOL = '/usr/bin/promtool';

/** @returns why there is none; `undefined` when it is there */
export function ensurePrometheus(): Promise<string | undefined> {
  return ensureDebianTool(PROMTOOL, 'prometheus');
}

/** Runs promtool and gives all it said; throws when it is not content. */
export async function promtool(...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(PROMTOOL, args, { timeout: 20_000 });
  return stdout + stderr;
}

export interface Prometheus {
  /** The `data` of an answer of its API; throws when it does not understand what it is asked. */
  ask(path: string): Promise<unknown>;
  stop(): Promise<void>;
}

/** On loopback, with its data in a folder that is the caller's to remove. */
export async function startPrometheus(configFile: string, dataFolder: string): Promise<Prometheus> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = spawn(
    PROMETHEUS,
    [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${dataFolder}`,
      `--web.listen-address=${new URL(url).host}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const isReady = () =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  const stop = async () => {
    if (child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  try {
    await eventually('Prometheus is ready', isReady);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    async ask(path) {
      const answer = (await (await fetch(`${url}${path}`)).json()) as { data: unknown; error?: string };
      if (answer.error !== undefined) throw new Error(`${path}: ${answer.error}`);
      return answer.data;
    },
    stop,
  };
}
