import type { SweepCounts } from '../../src/core/sweep.ts';
import { createSweepControl } from '../../src/queues/sweep-queues.ts';
import { eventually } from '../support/eventually.ts';
import type { TestSystem } from '../support/system.ts';

/** Runs a sweep as an operator would, and answers the counts of that run. */
export async function sweepNow(
  { system: { store } }: Pick<TestSystem, 'system'>,
  name: string,
  { dryRun = false }: { readonly dryRun?: boolean } = {},
): Promise<SweepCounts> {
  const control = createSweepControl({ ...store, nowMs: Date.now });
  try {
    const { runId } = await control.run(name, { by: 'a test', dryRun });
    const run = await eventually(`${name} ran`, async () => {
      const sweep = (await control.list()).find((each) => each.name === name);
      return [sweep?.lastRun, ...(sweep?.runs ?? [])].find((each) => each?.runId === runId);
    });
    if (run.error !== undefined) throw new Error(run.error);
    return run.counts;
  } finally {
    await control.close();
  }
}

export function reconcileNow(world: Pick<TestSystem, 'system'>, options?: { readonly dryRun?: boolean }) {
  return sweepNow(world, 'reconcile-provider', options);
}
