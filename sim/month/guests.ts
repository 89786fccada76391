/** What a policy makes of a team's month: for each sandbox where it lay, when it ran, and whom that interrupted. */
import { DEFAULT_IDLE_POLICY } from '../../src/core/idle-policy.ts';
import { type ProviderStatus, planRoute, type RoutingPolicy } from '../../src/core/route.ts';
import type { Random } from '../random.ts';
import { type Session, stretchAt } from '../session.ts';
import { type Interval, simulateIdle } from '../simulate-idle.ts';
import { simulateOldRule } from '../simulate-old-rule.ts';
import type { TeamSession } from './team.ts';

export interface SimulatedGuest {
  readonly team: TeamSession;
  readonly provider: Session['provider'];
  /** Absolute times, in order. */
  readonly running: readonly Interval[];
  readonly endMs: number;
  /** Work that a pause met, and how much of it nothing had told of: no rule can know of that. */
  readonly interruptions: number;
  readonly silentInterruptions: number;
  /** Whether the provider paused it by itself: then the ledger has the provider's word for when, not its meter's. */
  readonly pausedByProvider: boolean;
}

export interface Policy {
  readonly suspends: 'when idle' | 'by the old rule';
  readonly routing: RoutingPolicy;
  /** Proxmox is away then, and its breaker open: what is started meanwhile goes to Morph. */
  readonly proxmoxAway?: Interval;
}

export function simulateGuest(team: TeamSession, policy: Policy, random: Random): SimulatedGuest {
  const provider = routeOf(team, policy);
  const session = onProvider(team.session, provider);
  const { startMs } = team;
  const common = { team, provider, endMs: startMs + session.lengthMs };
  if (policy.suspends === 'by the old rule') {
    const { running, interruptions } = simulateOldRule(session);
    const ran = absolute(running, startMs);
    return { ...common, running: ran, interruptions, silentInterruptions: 0, pausedByProvider: true };
  }
  const { running, suspensions } = simulateIdle(session, DEFAULT_IDLE_POLICY, random);
  const met = suspensions
    .map(({ atMs }) => stretchAt(session, atMs))
    .filter(({ truth }) => truth === 'working');
  return {
    ...common,
    running: absolute(running, startMs),
    interruptions: met.length,
    silentInterruptions: met.filter(({ vouchedBy }) => vouchedBy === 'nobody').length,
    pausedByProvider: false,
  };
}

function absolute(intervals: readonly Interval[], startMs: number): readonly Interval[] {
  return intervals.map(({ fromMs, toMs }) => ({ fromMs: startMs + fromMs, toMs: startMs + toMs }));
}

/** Morph counts nothing that we could read without waking anything. */
function onProvider(session: Session, provider: Session['provider']): Session {
  const signals =
    provider === 'morph' ? session.signals.filter(({ type }) => type !== 'counters') : session.signals;
  return { ...session, provider, signals };
}

const SOURCES = {
  'pve-vm': { templates: [] },
  'pve-lxc': { templates: [] },
  morph: { snapshotId: 'snapshot' },
} as const;

/** The real routing decision, asked with the statuses that workers would have published. */
function routeOf(
  { session, startMs, userId }: TeamSession,
  { routing, proxmoxAway }: Policy,
): Session['provider'] {
  const isAway = proxmoxAway !== undefined && startMs >= proxmoxAway.fromMs && startMs < proxmoxAway.toMs;
  const names = new Set([routing.primary, ...routing.fallbacks]);
  const statuses = (['pve-vm', 'pve-lxc', 'morph'] as const)
    .filter((provider) => names.has(provider))
    .map((provider) => statusOf(provider, isAway && provider !== 'morph', startMs));
  const { candidates } = planRoute({
    request: {
      requiresRamSnapshot: false,
      allowFallback: true,
      metadata: {},
      onExpiry: 'pause',
      protected: false,
      userId,
      workloadType: session.workloadType,
    },
    sources: SOURCES,
    sandboxId: session.id,
    policy: routing,
    statuses,
    nowMs: startMs,
  });
  const [first] = candidates;
  if (first === undefined) throw new Error(`no provider takes ${session.id}`);
  return first;
}

function statusOf(provider: Session['provider'], isOpen: boolean, nowMs: number): ProviderStatus {
  return {
    provider,
    preservesRam: provider !== 'pve-lxc',
    failureDomain: provider === 'morph' ? 'morph' : 'pve',
    simulated: true,
    healthy: !isOpen,
    detail: '',
    breaker: isOpen ? 'open' : 'closed',
    publishedAtMs: nowMs,
  };
}
