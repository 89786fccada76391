/** Reads what a look at idleness would read, decides the same, and writes nothing: no look is remembered. */
import { whyNotAutomatic } from '../core/automation.ts';
import { decideGate, NO_EPISODES } from '../core/idle-episode.ts';
import { type IdleOutlook, outlookOn } from '../core/idle-outlook.ts';
import { decideIdleness } from '../core/idleness.ts';
import type { Sandbox } from '../core/sandbox.ts';
import { suspendSubject } from '../core/suspend-subject.ts';
import type { Store } from './store.ts';

type ReadStore = Pick<Store, 'activity' | 'automation' | 'deployment' | 'idle'>;

/** By sandbox id. Without an entry: it has no guest, or no worker has published a policy yet. */
export async function readIdleOutlooks(
  store: ReadStore,
  sandboxes: readonly Sandbox[],
  nowMs: number,
): Promise<ReadonlyMap<string, IdleOutlook>> {
  const policy = (await store.deployment.view())?.settings.idlePolicy;
  if (policy === undefined || sandboxes.length === 0) return new Map();
  const ids = sandboxes.map(({ id }) => id);
  const [activities, records, published, automation] = await Promise.all([
    store.activity.read(ids, nowMs),
    store.idle.records(ids),
    store.idle.gate(),
    store.automation.read(),
  ]);
  const gate = published ?? decideGate(policy.mode, NO_EPISODES, policy.gate);
  const { distrustBeforeMs } = automation;
  return new Map(
    sandboxes.flatMap((sandbox, index) => {
      const subject = suspendSubject(sandbox);
      const activity = activities[index];
      if (subject === undefined || activity === undefined) return [];
      const watch = records[index]?.watch;
      const verdict = decideIdleness({
        ...{ subject, activity, policy, nowMs },
        ...(watch ? { watch } : {}),
        ...(distrustBeforeMs === undefined ? {} : { distrustBeforeMs }),
      });
      const heldBack = gate.heldBack ?? whyNotAutomatic('pause', automation, sandbox);
      const outlook = outlookOn({
        verdict,
        mode: gate.mode,
        ...(heldBack === undefined ? {} : { heldBack }),
        ...(watch ? { lookedAtMs: watch.lookedAtMs } : {}),
      });
      return [[sandbox.id, outlook] as const];
    }),
  );
}
