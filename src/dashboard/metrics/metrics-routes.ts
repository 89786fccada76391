/** `GET /metrics`, as a sub-app. Mount it behind the access check. */
import { Hono } from 'hono';
import type { Logger } from '../../platform/log.ts';
import { type MetricsSnapshot, readSnapshot, type SnapshotDeps } from './read-snapshot.ts';
import { createRegistry } from './registry.ts';

/** All gauges of one scrape share a snapshot; two scrapers that come together, too. */
const SNAPSHOT_FOR_MS = 1_000;
/** Prometheus gives up after 10 s; commands to a Redis that is away would wait for ever. */
const READ_TIMEOUT_MS = 3_000;

export interface MetricsDeps extends SnapshotDeps {
  readonly log: Logger;
}

export function createMetricsRoutes(deps: MetricsDeps): Hono {
  let taken: { readonly atMs: number; readonly snapshot: Promise<MetricsSnapshot | undefined> } | undefined;

  function takeSnapshot(): Promise<MetricsSnapshot | undefined> {
    const nowMs = performance.now();
    if (taken === undefined || nowMs - taken.atMs > SNAPSHOT_FOR_MS) {
      taken = { atMs: nowMs, snapshot: readInTime(deps) };
    }
    return taken.snapshot;
  }

  const registry = createRegistry(takeSnapshot);
  const routes = new Hono();
  routes.get('/metrics', async (context) =>
    context.body(await registry.metrics(), 200, { 'content-type': registry.contentType }),
  );
  return routes;
}

async function readInTime(deps: MetricsDeps): Promise<MetricsSnapshot | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, READ_TIMEOUT_MS, undefined);
  });
  try {
    return await Promise.race([readSnapshot(deps), tooLate]);
  } catch (error) {
    deps.log.warn({ err: error }, 'metrics: Redis does not answer');
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
