/** What the account's own meter says it owes, as `/user/service/usage` tells it: 120 buckets, whole cents. */
import type { MeteredSpan } from '../meter.ts';
import { MorphFailure } from './morph-failure.ts';

/** What an instance was billed by. */
export interface MeteredSize {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskMib: number;
}

export interface UsageMeter {
  readonly spans: readonly MeteredSpan[];
  readonly sizes: ReadonlyMap<string, MeteredSize>;
  readonly nowMs: number;
  /** Above 100 the account is charged more than its usage explains. */
  readonly billedPercent: number;
}

/** Fixed by the interface, whatever the interval. */
const BUCKETS = 120;
/** Morph's published prices (facts/morph-and-cmux.md A6). */
const CENTS_PER_MCU_HOUR = 5;
const CENTS_PER_STORED_GIB_HOUR = 0.001;
const MCU_MEMORY_MIB = 4_096;
const MCU_DISK_MIB = 16 * 1_024;

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const DEFAULT_INTERVAL = '3h';

export function usageView(meter: UsageMeter, query: URLSearchParams) {
  const bucketMs = intervalMs(query.get('interval') ?? DEFAULT_INTERVAL) / BUCKETS;
  const kinds = [
    { resource_type: 'compute', counts: ({ state }: MeteredSpan) => state === 'running' },
    { resource_type: 'storage', counts: ({ state }: MeteredSpan) => state !== 'running' },
  ];
  return {
    services: [
      {
        service_id: 'instances',
        service_name: 'Instances',
        resource_types: kinds.map(({ resource_type, counts }) => ({
          resource_type,
          buckets: bucketsOf({ ...meter, spans: meter.spans.filter(counts) }, bucketMs),
        })),
      },
    ],
  };
}

function bucketsOf({ spans, sizes, nowMs, billedPercent }: UsageMeter, bucketMs: number) {
  return Array.from({ length: BUCKETS }, (_, index) => {
    const fromMs = nowMs - (BUCKETS - index) * bucketMs;
    const toMs = fromMs + bucketMs;
    let seconds = 0;
    let cents = 0;
    for (const span of spans) {
      const ms = Math.min(span.toMs, toMs) - Math.max(span.fromMs, fromMs);
      if (ms <= 0) continue;
      seconds += ms / 1_000;
      cents += (ms / 3_600_000) * centsPerHour(span.state, sizes.get(span.guest));
    }
    return {
      period_start: fromMs / 1_000,
      period_end: toMs / 1_000,
      seconds,
      cents: Math.round((cents * billedPercent) / 100),
    };
  });
}

function centsPerHour(state: MeteredSpan['state'], size: MeteredSize | undefined): number {
  if (size === undefined) return 0;
  const { vcpus, memoryMib, diskMib } = size;
  if (state !== 'running') return ((memoryMib + diskMib) / 1_024) * CENTS_PER_STORED_GIB_HOUR;
  const mcu = Math.max(vcpus, Math.ceil(memoryMib / MCU_MEMORY_MIB), Math.ceil(diskMib / MCU_DISK_MIB));
  return mcu * CENTS_PER_MCU_HOUR;
}

function intervalMs(text: string): number {
  const [, count = '', unit = ''] = /^([1-9]\d{0,3})([mhd])$/i.exec(text) ?? [];
  const ms = Number(count) * (UNIT_MS[unit.toLowerCase()] ?? 0);
  if (ms > 0) return ms;
  const msg = 'Value error, interval is a number followed by m, h or d';
  throw new MorphFailure(422, [{ loc: ['query', 'interval'], msg, type: 'value_error' }]);
}
