/** What operators see of, and say about, whatever happens without anybody asking; for both transports. */
import type { Automation } from '../core/automation.ts';
import type { Guest } from '../core/guest.ts';
import type { ProviderName } from '../core/provider-name.ts';
import type { Store } from '../store/store.ts';

export interface AutomationView extends Automation {
  /** Sandboxes that have yet to be asked for while `observing`. */
  readonly unobserved: number;
}

export interface UnownedGuestView {
  readonly id: string;
  readonly provider: ProviderName;
  /** The provider's own id. */
  readonly providerId?: string;
  readonly node?: string;
  /** What its marker names. */
  readonly sandboxId: string;
  readonly operationId: string;
  readonly teamId?: string;
  readonly userId?: string;
  readonly taskRunId?: string;
  readonly preset?: string;
  /** Why nobody answers for it. */
  readonly cause: string;
}

export interface AutomationService {
  view(): Promise<AutomationView>;
  /** The registry is right as it is: ends adopt-only mode, and what was restored is like any other from now on. */
  confirm(by: string): Promise<AutomationView>;
  /** The one switch of all automatic destruction. */
  switchDestruction(to: 'on' | 'off', by: string): Promise<AutomationView>;
  unownedGuests(): Promise<readonly UnownedGuestView[]>;
}

/** What a person can read; the alert tells the number of all. */
const MOST_UNOWNED = 1_000;

export function createAutomationService(
  { automation, alerts, inventory }: Pick<Store, 'automation' | 'alerts' | 'inventory'>,
  nowMs: () => number,
): AutomationService {
  const view = async () => ({
    ...(await automation.read()),
    unobserved: await automation.unobservedCount(),
  });
  return {
    view,
    async confirm(by) {
      await automation.confirm(by, nowMs());
      await alerts.clear({ name: 'registry.incomplete', subject: 'registry' }, nowMs());
      return view();
    },
    async switchDestruction(to, by) {
      await automation.switchDestruction(to, by, nowMs());
      return view();
    },
    async unownedGuests() {
      return (await inventory.unowned(MOST_UNOWNED)).map(viewUnowned);
    },
  };
}

function viewUnowned({ id, provider, ref, sandboxId, intent, cause, createdByOperation }: Guest) {
  const { team, user, taskRun, preset } = intent.marker;
  return {
    id,
    provider,
    ...(ref === undefined ? {} : { providerId: ref.nativeId }),
    ...(ref?.node === undefined ? {} : { node: ref.node }),
    sandboxId,
    operationId: createdByOperation,
    ...(team === undefined ? {} : { teamId: team }),
    ...(user === undefined ? {} : { userId: user }),
    ...(taskRun === undefined ? {} : { taskRunId: taskRun }),
    ...(preset === undefined ? {} : { preset }),
    cause: cause ?? '',
  };
}
