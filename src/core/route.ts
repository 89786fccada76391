import type { BreakerState } from './breaker.ts';
import type { CapacityReport } from './capacity-report.ts';
import type { LeftOut, Route } from './operation.ts';
import type { ProviderName } from './provider-name.ts';
import type { Sources, StartRequest, WorkloadType } from './start-request.ts';

/** The operator's wishes about where sandboxes run; see `.env.example`. */
export interface RoutingPolicy {
  readonly primary: ProviderName;
  readonly fallbacks: readonly ProviderName[];
  readonly byWorkload: Readonly<Partial<Record<WorkloadType, ProviderName>>>;
  readonly rollout?: {
    readonly weights: readonly { readonly provider: ProviderName; readonly weight: number }[];
    readonly key: 'sandbox' | 'user' | 'team';
  };
}

/** What the workers of a provider last published about it. */
export interface ProviderStatus {
  readonly provider: ProviderName;
  readonly preservesRam: boolean;
  readonly failureDomain: string;
  readonly simulated: boolean;
  readonly healthy: boolean;
  readonly detail: string;
  /** Of its failure domain, as it is now. */
  readonly breaker: BreakerState;
  /** While it is not closed: what opened it, and when the provider is asked next. */
  readonly breakerReason?: string;
  readonly breakerRetryAtMs?: number;
  /** Why nothing more fits, when nothing does. */
  readonly overCapacity?: string;
  /** What its machines hold, where capacity is ours to watch. */
  readonly capacity?: CapacityReport;
  readonly publishedAtMs: number;
}

export interface RouteInput {
  readonly request: StartRequest;
  /** The request's own sources, or its preset's. */
  readonly sources: Sources;
  readonly sandboxId: string;
  readonly policy: RoutingPolicy;
  readonly statuses: readonly ProviderStatus[];
  readonly nowMs: number;
}

/** Workers publish every 15 s; four times missed means that none is there to take the job. */
export const STATUS_STALE_AFTER_MS = 60_000;

/**
 * The ordered candidates for a start. A preference stays a preference: only `allowFallback: false` forbids
 * the others, and then the first name of the order is the only one, filtered or not. An open breaker, or
 * workers that were not heard of lately, move a candidate to the end; every other filter removes it. Each
 * departure has its reason.
 */
export function planRoute(input: RouteInput): Route {
  const ordered = preferenceOrder(input);
  const [first] = ordered;
  const considered = input.request.allowFallback || first === undefined ? ordered : [first];

  const leftOut: LeftOut[] = ordered
    .filter((provider) => !considered.includes(provider))
    .map((provider) => ({ provider, reason: 'allowFallback is false and it is not the first choice' }));
  const ready: ProviderName[] = [];
  const doubtful: ProviderName[] = [];
  for (const provider of considered) {
    const status = input.statuses.find((candidate) => candidate.provider === provider);
    const against = reasonForGood(provider, input) ?? reasonForNow(status);
    const doubt = status && reasonForDoubt(status, input.nowMs);
    if (against !== undefined) leftOut.push({ provider, reason: against });
    else if (doubt === undefined) ready.push(provider);
    else {
      doubtful.push(provider);
      leftOut.push({ provider, reason: `${doubt}: tried last` });
    }
  }
  const candidates = [...ready, ...doubtful];
  const wanted = considered.find((provider) => reasonForGood(provider, input) === undefined);
  const passedOver = wanted === candidates[0] ? undefined : wanted;
  return { candidates, leftOut, ...(passedOver ? { passedOver } : {}) };
}

/** The provider that a start was meant for: what its route would have begun with, had that been well and had room. */
export function meantFor({
  candidates: [first],
  passedOver = first,
}: Pick<Route, 'candidates' | 'passedOver'>): ProviderName | undefined {
  return passedOver;
}

function reasonForDoubt({ breaker, publishedAtMs }: ProviderStatus, nowMs: number): string | undefined {
  if (breaker === 'open') return 'its breaker is open';
  const silentMs = nowMs - publishedAtMs;
  if (silentMs <= STATUS_STALE_AFTER_MS) return undefined;
  return `its workers were last heard of ${Math.round(silentMs / 1000)} s ago`;
}

function preferenceOrder({ request, policy, statuses, sandboxId }: RouteInput): readonly ProviderName[] {
  const enabled = statuses.map((status) => status.provider);
  const byKind = (name: ProviderName) => pickProxmoxKind(name, request, enabled);
  const rolledOut = policy.rollout && rolloutPick(policy.rollout, request, sandboxId);
  const names = [
    request.preferredProvider,
    request.workloadType && policy.byWorkload[request.workloadType],
    byKind(rolledOut ?? policy.primary),
    ...policy.fallbacks,
  ];
  return [...new Set(names.filter((name) => name !== undefined))];
}

/** Where both Proxmox kinds are at hand, the workload decides which one "Proxmox" means. */
function pickProxmoxKind(
  name: ProviderName,
  request: StartRequest,
  enabled: readonly ProviderName[],
): ProviderName {
  const both = enabled.includes('pve-vm') && enabled.includes('pve-lxc');
  if (!both || (name !== 'pve-vm' && name !== 'pve-lxc')) return name;
  if (request.requiresRamSnapshot || request.workloadType === 'long-running') return 'pve-vm';
  if (request.workloadType === 'ephemeral' || request.workloadType === 'quick-task') return 'pve-lxc';
  return name;
}

/**
 * Weighted choice that is stable per key: providers take their shares of 0..total in the order given, so
 * raising the first one's weight only ever moves keys towards it.
 */
function rolloutPick(
  rollout: NonNullable<RoutingPolicy['rollout']>,
  request: StartRequest,
  sandboxId: string,
): ProviderName | undefined {
  const key = { sandbox: sandboxId, user: request.userId, team: request.teamId }[rollout.key] ?? sandboxId;
  const total = rollout.weights.reduce((sum, { weight }) => sum + weight, 0);
  const point = (fnv1a(key) / 2 ** 32) * total;
  let upper = 0;
  for (const { provider, weight } of rollout.weights) {
    upper += weight;
    if (point < upper) return provider;
  }
  return undefined;
}

/** FNV-1a, 32 bits, finished with an avalanche step: short similar keys must spread evenly. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** Why it cannot take this sandbox at all. */
function reasonForGood(
  provider: ProviderName,
  { request, sources, statuses }: RouteInput,
): string | undefined {
  const status = statuses.find((candidate) => candidate.provider === provider);
  if (status === undefined) return 'not enabled: no worker serves it';
  if (sources[provider] === undefined) return 'the preset has no source for it';
  if (request.requiresRamSnapshot && !status.preservesRam) return 'it cannot keep memory';
  return undefined;
}

/** Why it cannot take it now. */
function reasonForNow(status: ProviderStatus | undefined): string | undefined {
  return status?.overCapacity === undefined ? undefined : `over capacity: ${status.overCapacity}`;
}
