/** What the review of a month says: the roadmap's aims, and its open questions as far as this data answers them. */
import type { CostsView } from '../core/costs.ts';
import type { FallbackCost } from '../core/fallback-cost.ts';
import type { ProviderName } from '../core/provider-name.ts';
import type { SavingsView } from '../core/savings.ts';
import { type Sheet, usd } from './sheet.ts';

export interface Review {
  readonly month: string;
  readonly costs: CostsView;
  readonly savings: SavingsView;
  /** Sandboxes that ran at once. */
  readonly concurrency?: { readonly peak: number; readonly mean: number };
  /** What ran at Morph although it was meant for a node. */
  readonly fallbacks: FallbackCost;
  /** Time in which memory was kept while paused. */
  readonly ramSnapshotHours: number;
  readonly virtualMachines: VirtualMachines;
  /** Of the newest successful operations; they are kept for a week. */
  readonly startLatency: readonly Latency[];
  readonly resumeLatency: readonly Latency[];
  readonly resumes: { readonly count: number; readonly memoryKept: number };
}

/** On the nodes, this month. */
export interface VirtualMachines {
  readonly runningHours: number;
  readonly ramSnapshotHours: number;
  /** A simulator answers in their place, so that they prove nothing of a node. */
  readonly simulated: boolean;
}

export interface Latency {
  readonly provider: ProviderName;
  readonly count: number;
  readonly medianMs: number;
  readonly p95Ms: number;
}

type Answer = readonly [question: string, answer: string];

const NOT_COMPARED = 'not known: the sweep compare-costs has not seen this month';

export function reviewSheets(review: Review): readonly Sheet[] {
  const head = ['question', 'answer'];
  return [
    { title: `Review of ${review.month}`, head, rows: aims(review) },
    { title: 'The roadmap’s open questions', head, rows: openQuestions(review) },
  ];
}

function aims({ month, costs, savings }: Review): readonly Answer[] {
  const { target } = savings;
  const saved = savings.months.find(({ period }) => period === month)?.savedPercent.old_rule;
  return [
    ['What do sandboxes cost a month?', usd(costs.totalMicroUsd - costs.otherMicroUsd)],
    [
      `Is the total below ${usd(target.totalMicroUsd)}?`,
      `${usd(costs.totalMicroUsd)}, of it ${usd(costs.otherMicroUsd)} for other lines than sandboxes: ${costs.totalMicroUsd < target.totalMicroUsd ? 'yes' : 'no'}`,
    ],
    [
      `Saved ${target.sandboxesPercent.join('-')} % against the old rule?`,
      saved === undefined
        ? NOT_COMPARED
        : `${saved[0]} % by the reading that favours the old rule, ${saved[1]} % by the other`,
    ],
  ];
}

/** In the roadmap's words and order. What this data cannot tell it says, with what would. */
function openQuestions(review: Review): readonly Answer[] {
  const { concurrency } = review;
  return [
    ['Actual Morph spend per month?', morphSpend(review)],
    [
      'How many concurrent sandboxes?',
      concurrency === undefined
        ? NOT_COMPARED
        : `${concurrency.mean} on average, ${concurrency.peak} at the peak`,
    ],
    [
      'WebSocket support needed?',
      'this data cannot tell: no traffic of sandboxes passes through this service, and a heartbeat counts connections, not what is spoken over them. The edge router’s log would: requests with "Upgrade: websocket", by port',
    ],
    ['Morph RAM snapshots critical?', ramSnapshots(review)],
    [
      'Latency requirements?',
      `measured: start ${describeLatency(review.startLatency)}; resume ${describeLatency(review.resumeLatency)}. What people need this data cannot tell: ask them`,
    ],
    [
      'microsandbox maturity?',
      'this data cannot tell: nothing runs on it here. A trial would; its pauses keep no memory',
    ],
    ['KVM/hardware virtualization?', virtualization(review.virtualMachines)],
  ];
}

function morphSpend({ costs, fallbacks }: Review): string {
  const microUsd = costs.lines
    .filter(({ kind, group }) => kind === 'allocated' && group.provider === 'morph')
    .reduce((total, line) => total + line.microUsd, 0);
  const hours = Math.round(fallbacks.runningMs / HOUR_MS);
  return `${usd(microUsd)}, of it ${usd(fallbacks.microUsd)} for ${hours} h that were meant for a node`;
}
const HOUR_MS = 3_600_000;

function ramSnapshots({ ramSnapshotHours, resumes }: Review): string {
  const used =
    ramSnapshotHours === 0 && resumes.count === 0
      ? 'not used in this month'
      : `used: sandboxes were paused with their memory for ${ramSnapshotHours} h, and of the last week’s ${resumes.count} resumes ${resumes.memoryKept} went on with it`;
  return `${used}. Whether people could do without this data cannot tell: a team on pve-lxc for a week would, where a pause keeps the disk alone`;
}

function virtualization({ runningHours, ramSnapshotHours, simulated }: VirtualMachines): string {
  const elsewhere = 'Of another host this data says nothing: look for /dev/kvm on it before it is bought';
  if (simulated) return `this data cannot tell: Proxmox is simulated here. ${elsewhere}`;
  if (runningHours === 0) return `this data cannot tell: no VM ran on Proxmox in this month. ${elsewhere}`;
  return `the nodes have it, unless a template turns it off: VMs ran for ${runningHours} h. For ${ramSnapshotHours} h they were paused with their memory, which containers cannot keep. ${elsewhere}`;
}

function describeLatency(latencies: readonly Latency[]): string {
  const each = latencies.map(
    ({ provider, medianMs, p95Ms, count }) =>
      `${provider} ${seconds(medianMs)} (p95 ${seconds(p95Ms)}, of ${count})`,
  );
  return each.join(', ') || 'none in the last week';
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
