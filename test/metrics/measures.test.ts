import { expect, it } from 'vitest';
import type { LifecycleEvents } from '../../src/core/events.ts';
import { DURATION_BUCKETS_SECONDS, measuresOf } from '../../src/core/measures.ts';
import { histogramsOf, seriesOf } from '../../src/dashboard/metrics/stored-series.ts';

const settled: LifecycleEvents['operation.settled'] = {
  sandboxId: 'sbx-1',
  operationId: 'op-1',
  kind: 'start',
  state: 'succeeded',
  provider: 'pve-vm',
  lastAttempt: 'succeeded',
  durationMs: 4_000,
};
const failed: LifecycleEvents['attempt.failed'] = {
  sandboxId: 'sbx-1',
  operationId: 'op-1',
  attempt: 1,
  provider: 'pve-vm',
  outcome: 'failed',
  kind: 'unreachable',
  message: 'connect ECONNREFUSED 10.0.0.7:8006',
  followedBy: 'attempt 2 on morph',
};

it.each([
  [
    'a settled success counts operation, attempt and duration',
    measuresOf('operation.settled', settled),
    {
      'operations|start|succeeded': 1,
      'attempts|pve-vm|succeeded|none': 1,
      'duration|start|pve-vm|5': 1,
      'duration|start|pve-vm|sumMs': 4_000,
    },
  ],
  [
    'a settled failure counts no attempt: that was counted when it failed',
    measuresOf('operation.settled', { ...settled, state: 'failed', lastAttempt: 'failed' }),
    { 'operations|start|failed': 1 },
  ],
  [
    'an operation that never had an attempt counts none',
    measuresOf('operation.settled', { ...settled, state: 'superseded', provider: '', lastAttempt: '' }),
    { 'operations|start|superseded': 1 },
  ],
  [
    'exactly a bound falls into its bucket',
    measuresOf('operation.settled', { ...settled, durationMs: 5_000 }),
    {
      'operations|start|succeeded': 1,
      'attempts|pve-vm|succeeded|none': 1,
      'duration|start|pve-vm|5': 1,
      'duration|start|pve-vm|sumMs': 5_000,
    },
  ],
  [
    'more than the last bound is infinite, and a clock that went back counts as nought',
    [
      ...measuresOf('operation.settled', { ...settled, durationMs: 600_001 }).slice(2),
      ...measuresOf('operation.settled', { ...settled, kind: 'pause', durationMs: -7 }).slice(2),
    ],
    {
      'duration|start|pve-vm|Inf': 1,
      'duration|start|pve-vm|sumMs': 600_001,
      'duration|pause|pve-vm|0.25': 1,
      'duration|pause|pve-vm|sumMs': 0,
    },
  ],
  [
    'a failed attempt counts with its kind, never its message',
    measuresOf('attempt.failed', failed),
    { 'attempts|pve-vm|failed|unreachable': 1 },
  ],
])('%s', (_title, increments, expected) => {
  expect(Object.fromEntries(increments.map(({ measure, by }) => [measure, by]))).toEqual(expected);
});

it('buckets add up to the count', () => {
  const [histogram] = histogramsOf({
    'duration|start|morph|0.25': 2,
    'duration|start|morph|5': 3,
    'duration|start|morph|Inf': 1,
    'duration|start|morph|sumMs': 700_500,
  });
  expect(histogram?.buckets.filter(({ le }) => ['0.25', '3', '5', '600', '+Inf'].includes(le))).toEqual([
    { le: '0.25', count: 2 },
    { le: '3', count: 2 },
    { le: '5', count: 5 },
    { le: '600', count: 5 },
    { le: '+Inf', count: 6 },
  ]);
  expect(histogram?.buckets).toHaveLength(DURATION_BUCKETS_SECONDS.length + 1);
  expect(histogram).toMatchObject({ count: 6, sumSeconds: 700.5 });
});

it('a measure of another shape, such as a later release may write, is left out', () => {
  expect(
    seriesOf({ 'attempts|a|b': 1, 'attempts|a|b|c|d': 1, other: 1 }, 'attempts', ['x', 'y', 'z']),
  ).toEqual([]);
});
