/** From measures as they are stored to series as Prometheus reads them. */
import { DURATION_BUCKETS_SECONDS } from '../../core/measures.ts';

export interface Series<Label extends string> {
  readonly labels: Readonly<Record<Label, string>>;
  readonly value: number;
}

/** The measures of one name, with their parts as labels. A measure of another shape is left out. */
export function seriesOf<const Label extends string>(
  counts: Readonly<Record<string, number>>,
  name: string,
  labelNames: readonly Label[],
): readonly Series<Label>[] {
  return Object.entries(counts).flatMap(([measure, value]) => {
    const [first, ...parts] = measure.split('|');
    if (first !== name || parts.length !== labelNames.length) return [];
    const labels = Object.fromEntries(labelNames.map((label, index) => [label, parts[index] ?? '']));
    return [{ labels: labels as Record<Label, string>, value }];
  });
}

export interface StoredHistogram {
  readonly labels: { readonly kind: string; readonly provider: string };
  /** Cumulative, by upper bound; the last is `+Inf`. */
  readonly buckets: readonly { readonly le: string; readonly count: number }[];
  readonly count: number;
  readonly sumSeconds: number;
}

export function histogramsOf(counts: Readonly<Record<string, number>>): readonly StoredHistogram[] {
  const parts = seriesOf(counts, 'duration', ['kind', 'provider', 'part']);
  const groups = new Map<string, Map<string, number>>();
  for (const { labels, value } of parts) {
    const key = `${labels.kind}|${labels.provider}`;
    const group = groups.get(key) ?? new Map<string, number>();
    groups.set(key, group.set(labels.part, value));
  }
  return [...groups].map(([key, group]) => {
    const [kind = '', provider = ''] = key.split('|');
    let count = 0;
    const buckets = [...DURATION_BUCKETS_SECONDS.map(String), 'Inf'].map((bound) => {
      count += group.get(bound) ?? 0;
      return { le: bound === 'Inf' ? '+Inf' : bound, count };
    });
    return { labels: { kind, provider }, buckets, count, sumSeconds: (group.get('sumMs') ?? 0) / 1_000 };
  });
}
