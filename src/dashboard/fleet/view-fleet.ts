/** From a snapshot to what one person may see of it. Pure. */
import { type ActiveAlert, ALERTS } from '../../core/alert.ts';
import type { Principal } from '../../core/principal.ts';
import type { Sandbox, SandboxState } from '../../core/sandbox.ts';
import { viewSandbox } from '../../core/views.ts';
import type {
  Fallback,
  FleetFilter,
  FleetView,
  IdleCard,
  Need,
  ProviderCard,
  SandboxTable,
} from './fleet-view.ts';
import { isElsewhere } from './read-fallbacks.ts';
import type { FleetSnapshot } from './read-fleet.ts';

/** What a phone scrolls through and a browser draws at once without a pause. */
const ROWS_PER_PAGE = 100;
/** Four missed publications: the workers of a provider are gone, or cannot reach Redis. */
const STATUS_STALE_MS = 60_000;

export interface FleetAbout {
  readonly deployment: string;
  readonly simulated: boolean;
}

export function viewFleet(
  snapshot: FleetSnapshot,
  principal: Principal,
  about: FleetAbout,
  filter: FleetFilter,
): FleetView {
  const mine = ({ request }: Sandbox) =>
    principal.teamId === undefined || request.teamId === principal.teamId;
  const sandboxes = snapshot.sandboxes.filter(mine);
  const failed = snapshot.failed.filter(({ sandbox }) => mine(sandbox));
  const fallbacks = viewFallbacks(snapshot, sandboxes);
  const isWholeFleet = principal.teamId === undefined;
  return {
    ...about,
    atMs: snapshot.atMs,
    needs: [
      ...(isWholeFleet ? viewAlerts(snapshot.alerts) : []),
      ...sandboxes.filter(({ state }) => state === 'stuck').map(stuckNeed),
      ...(isWholeFleet ? [...snapshot.otherNeeds, ...providerNeeds(snapshot)] : []),
      ...failed.map(failedNeed),
    ],
    sandboxes: viewTable(sandboxes, snapshot.truncated, filter),
    fallbacks,
    providers: snapshot.providers,
    waiting: viewWaiting(snapshot, isWholeFleet ? undefined : new Set(sandboxes.map(({ id }) => id))),
    sweeps: snapshot.sweeps,
    ...(isWholeFleet ? { automation: snapshot.automation } : {}),
    idle: viewIdle(snapshot, mine, isWholeFleet),
  };
}

/** What a person takes in at a glance. */
const MAX_NEXT_SHOWN = 6;

function viewIdle(
  { idle: { gate, today, week, next } }: FleetSnapshot,
  mine: (sandbox: Sandbox) => boolean,
  isWholeFleet: boolean,
): IdleCard {
  const coming = next.flatMap(({ sandbox, outlook: { mode, summary, heldBy, suspendAtMs } }) =>
    mine(sandbox) && sandbox.placement && suspendAtMs !== undefined
      ? [
          {
            sandboxId: sandbox.id,
            provider: sandbox.placement.provider,
            isShadow: mode === 'shadow',
            ...{ summary, heldBy, suspendAtMs },
          },
        ]
      : [],
  );
  return {
    next: coming.slice(0, MAX_NEXT_SHOWN),
    more: Math.max(0, coming.length - MAX_NEXT_SHOWN),
    ...(isWholeFleet && gate
      ? {
          worth: {
            ...{ mode: gate.mode, configured: gate.configured, gateCounts: gate.counts, today, week },
            ...(gate.heldBack === undefined ? {} : { heldBack: gate.heldBack }),
          },
        }
      : {}),
  };
}

/** The page stays readable when much is wrong at once; the metrics have all of them. */
const MAX_ALERTS_PER_NAME = 10;

function viewAlerts(alerts: readonly ActiveAlert[]): readonly Need[] {
  const shown = new Map<string, number>();
  return alerts.flatMap(({ name, subject, message, remediation, sinceMs }) => {
    const before = shown.get(name) ?? 0;
    shown.set(name, before + 1);
    if (before >= MAX_ALERTS_PER_NAME) return [];
    const need: Need = {
      kind: 'alert',
      title: `${ALERTS[name]} (${subject})`,
      detail: `${message} (${name} in docs/runbook.md)`,
      ...(remediation === undefined ? {} : { remediation }),
      sinceMs,
    };
    return [need];
  });
}

function stuckNeed({ id, placement, updatedAtMs, remediation, cause }: Sandbox): Need {
  return {
    kind: 'stuck',
    title: `${id} is stuck${placement ? ` on ${placement.provider} (${placement.guestId})` : ''}`,
    detail: `Only a person at the provider can free it: ${cause}`,
    ...(remediation === undefined ? {} : { remediation }),
    sandboxId: id,
    sinceMs: updatedAtMs,
  };
}

function failedNeed({ sandbox, story }: FleetSnapshot['failed'][number]): Need {
  const failure = story?.failure;
  const causes = (failure?.causes ?? []).map(
    ({ provider, message }) => `${provider ?? 'provider'}: ${message}`,
  );
  const { request } = sandbox;
  const remediation = failure?.remediation ?? failure?.causes.find((cause) => cause.remediation)?.remediation;
  return {
    kind: 'failed',
    title: `A start failed${request.taskRunId ? ` (task run ${request.taskRunId})` : ''}: ${sandbox.id}`,
    detail: causes.length > 0 ? causes.join(' · ') : (failure?.message ?? sandbox.cause),
    ...(remediation === undefined ? {} : { remediation }),
    sandboxId: sandbox.id,
    sinceMs: sandbox.updatedAtMs,
  };
}

function providerNeeds({ providers, view, atMs }: FleetSnapshot): readonly Need[] {
  if (view === undefined) {
    return [
      {
        kind: 'provider',
        title: 'No worker has announced itself',
        detail: 'Nothing can be started until one has.',
        remediation: 'cmux-lifecycle serve',
        sinceMs: atMs,
      },
    ];
  }
  return providers.flatMap((provider) => providerNeed(provider, atMs) ?? []);
}

function providerNeed(
  { name, healthy, detail, publishedAtMs }: ProviderCard,
  atMs: number,
): Need | undefined {
  if (atMs - publishedAtMs > STATUS_STALE_MS) {
    return {
      kind: 'provider',
      title: `The workers of ${name} are silent`,
      detail: 'They publish every 15 s while they run. Operations on this provider wait.',
      remediation: 'Look whether the process of cmux-lifecycle serve is up and reaches Redis.',
      sinceMs: publishedAtMs,
    };
  }
  return healthy
    ? undefined
    : { kind: 'provider', title: `${name} is not well`, detail, sinceMs: publishedAtMs };
}

function viewTable(sandboxes: readonly Sandbox[], truncated: boolean, filter: FleetFilter): SandboxTable {
  const counts: Partial<Record<SandboxState, number>> = {};
  for (const { state } of sandboxes) counts[state] = (counts[state] ?? 0) + 1;
  const chosen = sandboxes.filter(({ state }) => filter.state === undefined || state === filter.state);
  const pages = Math.max(1, Math.ceil(chosen.length / ROWS_PER_PAGE));
  const page = Math.min(filter.page, pages);
  return {
    rows: chosen.slice((page - 1) * ROWS_PER_PAGE, page * ROWS_PER_PAGE).map(viewSandbox),
    counts,
    total: sandboxes.length,
    truncated,
    filter: { ...filter, page },
    pages,
  };
}

function viewFallbacks(snapshot: FleetSnapshot, sandboxes: readonly Sandbox[]): FleetView['fallbacks'] {
  const primary = snapshot.view?.settings.routing.primary;
  const elsewhere = sandboxes.filter((sandbox) => isElsewhere(sandbox, primary));
  const shown = elsewhere.flatMap((sandbox) => viewFallback(sandbox, snapshot) ?? []);
  const known = new Set(shown.map(({ sandboxId }) => sandboxId));
  // Those that went where their route began are where they should be; the ones not read count as fallen back.
  const unread = elsewhere.filter(({ id, fellBackFrom = [] }) => !known.has(id) && fellBackFrom.length > 0);
  return { shown, total: shown.length + unread.length };
}

function viewFallback(sandbox: Sandbox, { fallbacks }: FleetSnapshot): Fallback | undefined {
  const story = fallbacks.get(sandbox.id);
  if (story === undefined || sandbox.placement === undefined) return undefined;
  const { provider } = sandbox.placement;
  const failed = story.attempts.flatMap(({ number, provider: tried, failure }) =>
    failure && tried !== provider
      ? [
          {
            provider: tried,
            attempt: number,
            message: failure.message,
            ...(failure.remediation ? { remediation: failure.remediation } : {}),
          },
        ]
      : [],
  );
  const leftOut = story.route.leftOut
    .filter((entry) => entry.provider !== provider)
    .map((entry) => ({ provider: entry.provider, message: entry.reason }));
  const reasons = [...leftOut, ...failed];
  if (reasons.length === 0) return undefined;
  return { sandboxId: sandbox.id, provider, sinceMs: sandbox.createdAtMs, reasons };
}

/** @param only the sandboxes a person may see; `undefined` means all */
function viewWaiting(
  { unsettled }: FleetSnapshot,
  only: ReadonlySet<string> | undefined,
): FleetView['waiting'] {
  const seen = unsettled.operations.filter(({ sandboxId }) => only?.has(sandboxId) ?? true);
  return {
    shown: seen.map(({ id, kind, sandboxId, state, attempts, createdAtMs }) => {
      const provider = attempts.at(-1)?.provider;
      return { id, kind, sandboxId, state, ...(provider ? { provider } : {}), createdAtMs };
    }),
    more: unsettled.more,
  };
}
