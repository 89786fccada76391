/**
 * Reads what the fleet page shows. One snapshot serves every viewer for two seconds, so that ten open tabs cost
 * what one costs; teams are told apart when it is shown.
 */
import type { ActiveAlert } from '../../core/alert.ts';
import { CURRENT_STATES } from '../../core/listing.ts';
import type { Operation } from '../../core/operation.ts';
import { PROVIDER_NAMES } from '../../core/provider-name.ts';
import type { ProviderStatus } from '../../core/route.ts';
import type { Sandbox } from '../../core/sandbox.ts';
import type { SweepView } from '../../core/sweep.ts';
import type { Queues } from '../../queues/queues.ts';
import type { DeploymentView } from '../../store/deployment.ts';
import { MAX_PAGE } from '../../store/listing.ts';
import type { Store } from '../../store/store.ts';
import type { AutomationCard, Need, ProviderCard } from './fleet-view.ts';
import { readFallbacks, type StartStory } from './read-fallbacks.ts';
import { type IdleSnapshot, readIdle } from './read-idle.ts';

export interface FleetReaderDeps {
  readonly store: Store;
  readonly queues: Pick<Queues, 'counts'>;
  readonly nowMs: () => number;
  /** The sweeps with their next runs. */
  readonly readSweeps: () => Promise<readonly SweepView[]>;
  /** Needs that only others know of, such as unowned guests. */
  readonly readNeeds?: () => Promise<readonly Need[]>;
}

export interface FleetSnapshot {
  readonly atMs: number;
  readonly view: DeploymentView | undefined;
  /** Newest first. */
  readonly sandboxes: readonly Sandbox[];
  readonly truncated: boolean;
  /** Starts that gave up lately, newest first. */
  readonly failed: readonly { readonly sandbox: Sandbox; readonly story: StartStory | undefined }[];
  /** How each sandbox that is not on the primary provider came to where it is; by sandbox id. */
  readonly fallbacks: ReadonlyMap<string, StartStory>;
  readonly providers: readonly ProviderCard[];
  readonly unsettled: { readonly operations: readonly Operation[]; readonly more: boolean };
  readonly alerts: readonly ActiveAlert[];
  readonly sweeps: readonly SweepView[];
  readonly otherNeeds: readonly Need[];
  readonly automation: AutomationCard;
  readonly idle: IdleSnapshot;
}

/** Twice the design point; beyond it the page says that it shows the newest only. */
const MAX_SANDBOXES = 2_000;
/** A failed start that nobody looked at for a day does not get looked at any more. */
const FAILED_FOR_MS = 24 * 60 * 60 * 1000;
const MAX_FAILED = 20;
/** Enough to say how bad it is. */
const MAX_DEAD_LETTERS = 100;
const SNAPSHOT_MS = 2_000;
/** What a person takes in; the page says when there are more. */
const MAX_UNSETTLED = 25;
const MAX_UNOWNED = 25;
/** Every unsettled operation is due before this: none may live for a week. */
const FAR_AHEAD_MS = 7 * 24 * 60 * 60 * 1000;

export function createFleetReader(deps: FleetReaderDeps): () => Promise<FleetSnapshot> {
  let latest: { readonly untilMs: number; readonly snapshot: Promise<FleetSnapshot> } | undefined;
  return () => {
    const now = deps.nowMs();
    if (latest === undefined || latest.untilMs <= now) {
      const snapshot = readSnapshot(deps, now);
      latest = { untilMs: now + SNAPSHOT_MS, snapshot };
      // A failure is this request's; the next one tries anew.
      snapshot.catch(() => {
        latest = undefined;
      });
    }
    return latest.snapshot;
  };
}

async function readSnapshot(deps: FleetReaderDeps, atMs: number): Promise<FleetSnapshot> {
  const { store } = deps;
  const [view, { sandboxes, truncated }, failed, unsettled, sweeps, alerts, otherNeeds, automation, idle] =
    await Promise.all([
      store.deployment.view(),
      readCurrent(store),
      readFailed(store, atMs),
      readUnsettled(store, atMs),
      deps.readSweeps(),
      store.alerts.active(),
      readOtherNeeds(deps),
      readAutomation(store),
      readIdle(store, atMs),
    ]);
  // Redis keeps them in no order: on the page they must not change places from one look to the next.
  const statuses = [...(view?.statuses ?? [])].sort(
    (a, b) => PROVIDER_NAMES.indexOf(a.provider) - PROVIDER_NAMES.indexOf(b.provider),
  );
  return {
    atMs,
    view,
    sandboxes,
    truncated,
    failed,
    fallbacks: await readFallbacks(store, sandboxes, view?.settings.routing.primary),
    providers: await Promise.all(statuses.map((status) => readProvider(deps, status))),
    unsettled,
    sweeps,
    alerts,
    otherNeeds,
    automation,
    idle,
  };
}

async function readCurrent(store: Store) {
  const sandboxes: Sandbox[] = [];
  let cursor: string | undefined;
  do {
    const request = { limit: MAX_PAGE, ...(cursor ? { cursor } : {}) };
    const page = await store.listing.sandboxes({ states: CURRENT_STATES }, request);
    sandboxes.push(...page.items);
    cursor = page.cursor;
  } while (cursor !== undefined && sandboxes.length < MAX_SANDBOXES);
  return { sandboxes, truncated: cursor !== undefined };
}

async function readFailed(store: Store, atMs: number): Promise<FleetSnapshot['failed']> {
  const { items } = await store.listing.sandboxes({ states: ['failed'] }, { limit: MAX_FAILED });
  const recent = items.filter(({ updatedAtMs }) => updatedAtMs > atMs - FAILED_FOR_MS);
  return Promise.all(
    recent.map(async (sandbox) => ({ sandbox, story: await readLastStory(store, sandbox.id) })),
  );
}

/** The operation that brought a sandbox into its state: its history knows, its cause may be a sentence. */
async function readLastStory(store: Store, sandboxId: string): Promise<StartStory | undefined> {
  const history = await store.listing.history(sandboxId);
  const operationId = history.find(({ type }) => type === 'sandbox.changed')?.facts.operationId;
  return typeof operationId === 'string' ? store.reading.operation(operationId) : undefined;
}

async function readUnsettled(store: Store, atMs: number): Promise<FleetSnapshot['unsettled']> {
  const ids = await store.reading.dueOperations(atMs + FAR_AHEAD_MS, MAX_UNSETTLED + 1);
  const operations = await Promise.all(ids.slice(0, MAX_UNSETTLED).map((id) => store.reading.operation(id)));
  return {
    operations: operations.filter((operation) => operation !== undefined),
    more: ids.length > MAX_UNSETTLED,
  };
}

async function readOtherNeeds({ store, readNeeds }: FleetReaderDeps): Promise<readonly Need[]> {
  const [letters, others] = await Promise.all([
    store.webhook.deadLetters(MAX_DEAD_LETTERS),
    readNeeds?.() ?? [],
  ]);
  const [newest] = letters;
  if (newest === undefined) return others;
  const many = letters.length === MAX_DEAD_LETTERS ? `At least ${letters.length}` : String(letters.length);
  const deliveries = letters.length === 1 ? 'webhook delivery was' : 'webhook deliveries were';
  const need: Need = {
    kind: 'webhook',
    title: `${many} ${deliveries} given up`,
    detail: `The newest, ${newest.event.id}, after ${newest.tries} tries: ${newest.reason}`,
    remediation:
      'Put the receiver right, then retry the failed jobs of the queue "webhook" on the Queues page.',
    sinceMs: newest.deadAtMs,
  };
  return [...others, need];
}

async function readAutomation({ automation, inventory }: Store): Promise<AutomationCard> {
  const [{ mode, reason, destruction }, unobserved, unowned] = await Promise.all([
    automation.read(),
    automation.unobservedCount(),
    inventory.unowned(MAX_UNOWNED),
  ]);
  return {
    ...{ mode, reason, destruction, unobserved },
    unowned: unowned.map(({ id, provider, ref, cause = '' }) => ({
      ...{ id, provider, cause },
      ...(ref === undefined ? {} : { providerId: ref.nativeId }),
    })),
  };
}

async function readProvider({ queues }: FleetReaderDeps, status: ProviderStatus): Promise<ProviderCard> {
  return {
    name: status.provider,
    failureDomain: status.failureDomain,
    simulated: status.simulated,
    healthy: status.healthy,
    detail: status.detail,
    breaker: status.breaker,
    ...(status.breakerReason === undefined ? {} : { breakerReason: status.breakerReason }),
    ...(status.breakerRetryAtMs === undefined ? {} : { breakerRetryAtMs: status.breakerRetryAtMs }),
    ...(status.overCapacity === undefined ? {} : { overCapacity: status.overCapacity }),
    publishedAtMs: status.publishedAtMs,
    ...(status.capacity === undefined ? {} : { capacity: status.capacity }),
    queue: await queues.counts(status.provider),
  };
}
