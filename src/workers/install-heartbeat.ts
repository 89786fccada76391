/** Says every half minute that this installation lives; see `store/automation.ts` for what its absence means. */
import type { Alert } from '../core/alert.ts';
import type { Logger } from '../platform/log.ts';
import type { Beat } from '../store/automation.ts';
import type { Store } from '../store/store.ts';

export interface InstallHeartbeat {
  close(): void;
}

/** Twenty beats fit into the time after which the record counts as old: none is missed by accident. */
const BEAT_EVERY_MS = 30_000;

const ALERT_OF = {
  lost: {
    name: 'registry.incomplete',
    subject: 'registry',
    message: 'the install record was gone: Redis was emptied, and the system is in adopt-only mode',
    remediation: 'cmux-lifecycle rebuild, or cmux-lifecycle confirm when nothing was lost',
  },
  old: {
    name: 'registry.restored',
    subject: 'registry',
    message:
      'the install record is old (a restored dump, or a long stop): nothing automatic happens to a sandbox before it was asked for and watched',
    remediation: 'Nothing, when it was only down. After a dump was restored: cmux-lifecycle rebuild',
  },
} as const satisfies Record<Exclude<Beat, 'kept'>, Alert>;

/** Beats once before it resolves, so that no sweep runs on a registry that was not looked at. */
export async function startInstallHeartbeat(deps: {
  readonly store: Pick<Store, 'automation' | 'alerts'>;
  readonly installId: string;
  readonly log: Logger;
  readonly nowMs: () => number;
}): Promise<InstallHeartbeat> {
  const { store, installId, log, nowMs } = deps;

  async function beat(): Promise<void> {
    const found = await store.automation.beat(installId, nowMs());
    if (found !== 'kept') await store.alerts.raise(ALERT_OF[found], nowMs());
  }

  await beat();
  const timer = setInterval(() => {
    beat().catch((error: unknown) => log.warn({ err: error }, 'could not beat for the install record'));
  }, BEAT_EVERY_MS);
  return { close: () => clearInterval(timer) };
}
