/** How long a sandbox may idle before it is suspended: the operator's tables, and which entry counts. */
import { CAN_KEEP_MEMORY, type ProviderName } from './provider-name.ts';
import type { WorkloadType } from './start-request.ts';

/** `off`: nothing looks. `shadow`: decides and counts, and touches nothing. `enforce`: suspends. */
export const IDLE_MODES = ['off', 'shadow', 'enforce'] as const;
export type IdleMode = (typeof IDLE_MODES)[number];

export type AfterMs = number | 'never';

/** Of all that match, the one that names most counts: the team before the workload before the provider. */
export interface IdleRule {
  readonly teamId?: string;
  readonly workloadType?: WorkloadType;
  /** A rule that does not name a container provider says nothing about containers: their memory is lost. */
  readonly provider?: ProviderName;
  readonly afterMs: AfterMs;
}

export interface IdlePolicy {
  readonly mode: IdleMode;
  /** Where no rule matches. */
  readonly afterMs: Readonly<Record<ProviderName, AfterMs>>;
  readonly rules: readonly IdleRule[];
  /** While signals are missing. Always `never` where a pause would lose memory. */
  readonly unknownAfterMs: Readonly<Record<ProviderName, AfterMs>>;
  /** How long after the last thing that happened to it a paused sandbox is destroyed. */
  readonly retainPausedMs: AfterMs;
  readonly gate: IdleGatePolicy;
}

export interface IdleGatePolicy {
  /** At most this share of what was suspended may have been used again within ten minutes. */
  readonly maxRegret: number;
  /** Fewer suspensions than this prove nothing. */
  readonly minSuspended: number;
  /** `enforce` without that proof. */
  readonly skip: boolean;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export const DEFAULT_IDLE_POLICY: IdlePolicy = {
  mode: 'shadow',
  // A pause that keeps memory costs its user seconds, so it comes early; one that loses it comes late.
  afterMs: { 'pve-vm': 15 * MINUTE_MS, morph: 15 * MINUTE_MS, 'pve-lxc': DAY_MS },
  rules: [
    { workloadType: 'quick-task', afterMs: 5 * MINUTE_MS },
    { workloadType: 'ephemeral', afterMs: 5 * MINUTE_MS },
    { workloadType: 'long-running', afterMs: HOUR_MS },
    { workloadType: 'prod', afterMs: HOUR_MS },
  ],
  unknownAfterMs: { 'pve-vm': 2 * HOUR_MS, morph: 2 * HOUR_MS, 'pve-lxc': 'never' },
  // Twice what cmux keeps them: it cannot be undone, and a paused sandbox costs next to nothing.
  retainPausedMs: 14 * DAY_MS,
  gate: { maxRegret: 0.05, minSuspended: 20, skip: false },
};

/** What the tables are asked about. */
export interface IdleSubject {
  readonly provider: ProviderName;
  readonly workloadType?: WorkloadType;
  readonly teamId?: string;
  /** The caller's own wish, from the start request. */
  readonly idleTimeoutSeconds?: number;
}

export interface Threshold {
  readonly afterMs: AfterMs;
  /** Which entry it is, for the receipt. */
  readonly from: string;
}

/**
 * The sandbox's own time-out counts before every rule. It was chosen before anybody knew where the sandbox
 * would run, so where memory is lost it can only make the pause later.
 */
export function idleThreshold(policy: IdlePolicy, subject: IdleSubject): Threshold {
  const table = fromTables(policy, subject);
  if (subject.idleTimeoutSeconds === undefined || table.afterMs === 'never') return table;
  const ownMs = subject.idleTimeoutSeconds * 1_000;
  if (!CAN_KEEP_MEMORY[subject.provider] && ownMs < table.afterMs) return table;
  return { afterMs: ownMs, from: 'the sandbox' };
}

/** How long signals have to be missing; never shorter than what idleness itself takes. */
export function unknownThreshold(policy: IdlePolicy, subject: IdleSubject): Threshold {
  const from = `signals missing on ${subject.provider}`;
  const afterMs = policy.unknownAfterMs[subject.provider];
  const idle = idleThreshold(policy, subject);
  if (!CAN_KEEP_MEMORY[subject.provider] || afterMs === 'never' || idle.afterMs === 'never') {
    return { afterMs: 'never', from };
  }
  return { afterMs: Math.max(afterMs, idle.afterMs), from };
}

function fromTables({ rules, afterMs }: IdlePolicy, subject: IdleSubject): Threshold {
  const keepsMemory = CAN_KEEP_MEMORY[subject.provider];
  const matching = rules.filter(
    (rule) =>
      (rule.teamId === undefined || rule.teamId === subject.teamId) &&
      (rule.workloadType === undefined || rule.workloadType === subject.workloadType) &&
      (rule.provider === subject.provider || (rule.provider === undefined && keepsMemory)),
  );
  // The first of equals counts: sorting keeps their order.
  const [best] = [...matching].sort((a, b) => specificity(b) - specificity(a));
  if (best === undefined) return { afterMs: afterMs[subject.provider], from: subject.provider };
  const names = [
    best.teamId && `team ${best.teamId}`,
    best.workloadType && `workload ${best.workloadType}`,
    best.provider,
  ];
  return { afterMs: best.afterMs, from: names.filter(Boolean).join(', ') || 'every sandbox' };
}

function specificity({ teamId, workloadType, provider }: IdleRule): number {
  return (teamId ? 4 : 0) + (workloadType ? 2 : 0) + (provider ? 1 : 0);
}
