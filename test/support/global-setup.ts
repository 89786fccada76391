import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { ensureRedisBinary } from '../../src/platform/redis-binary.ts';
import { startRedisServer } from '../../src/platform/redis-server.ts';
import { ensureChromium } from './chromium.ts';
import { ensurePrometheus } from './prometheus.ts';

/** One Redis for the whole run, with a data folder that goes with it, and a browser and a Prometheus where there can be. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const binary = await ensureRedisBinary({
    path: process.env.PATH ?? '',
    print: (line) => process.stderr.write(`${line}\n`),
  });
  const dataDir = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-redis-'));
  const buildDir = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-build-'));
  project.provide('buildDir', buildDir);
  const server = await startRedisServer({ binary, dataDir, appendOnly: true });
  project.provide('redisUrl', server.url);
  const noBrowser = await ensureChromium();
  if (noBrowser !== undefined) process.stderr.write(`Tests in a browser are skipped: ${noBrowser}\n`);
  project.provide('hasBrowser', noBrowser === undefined);
  // One after the other: apt-get takes a lock.
  const noPrometheus = await ensurePrometheus();
  if (noPrometheus !== undefined)
    process.stderr.write(`Tests with Prometheus are skipped: ${noPrometheus}\n`);
  project.provide('hasPrometheus', noPrometheus === undefined);
  return async () => {
    await server.stop();
    for (const folder of [dataDir, buildDir]) await rm(folder, { recursive: true, force: true });
  };
}
