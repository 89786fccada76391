import type { ProviderName } from '../../src/core/provider-name.ts';
import { type ProviderStatus, planRoute, type RouteInput, type RoutingPolicy } from '../../src/core/route.ts';
import type { Sources, StartRequest } from '../../src/core/start-request.ts';

/** A route to plan, told only by what differs from: every provider well, pve-vm first, morph as fallback. */

export const SOURCES: Sources = {
  'pve-vm': { templates: [{ vmid: 9000, expectedName: 'template-vm' }] },
  'pve-lxc': { templates: [{ vmid: 9100, expectedName: 'template-ct' }] },
  morph: { snapshotId: 'snapshot_1' },
};

export function status(provider: ProviderName, change: Partial<ProviderStatus> = {}): ProviderStatus {
  return {
    provider,
    preservesRam: provider !== 'pve-lxc',
    failureDomain: provider === 'morph' ? 'morph' : 'pve',
    simulated: true,
    healthy: true,
    detail: 'well',
    breaker: 'closed',
    publishedAtMs: 0,
    ...change,
  };
}

export interface Case {
  readonly request?: Partial<StartRequest>;
  readonly policy?: Partial<RoutingPolicy>;
  readonly statuses?: readonly ProviderStatus[];
  readonly sources?: Sources;
  readonly sandboxId?: string;
  readonly nowMs?: number;
}

export const ALL = [status('pve-vm'), status('pve-lxc'), status('morph')];
export const VM_AND_MORPH = [status('pve-vm'), status('morph')];

export function route({
  request,
  policy,
  statuses = ALL,
  sources = SOURCES,
  sandboxId = 'sb-1',
  nowMs = 0,
}: Case) {
  const input: RouteInput = {
    request: {
      requiresRamSnapshot: false,
      allowFallback: true,
      metadata: {},
      onExpiry: 'pause',
      protected: false,
      ...request,
    },
    sources,
    sandboxId,
    policy: { primary: 'pve-vm', fallbacks: ['morph'], byWorkload: {}, ...policy },
    statuses,
    nowMs,
  };
  return planRoute(input);
}
