/** What automatic suspensions were worth: how many, what they saved, how many were regretted; and what is due. */
import { regretRate } from '../../core/idle-episode.ts';
import { IDLE_MODES } from '../../core/idle-policy.ts';
import type { MetricsSnapshot } from './read-snapshot.ts';
import { type Series, seriesOf } from './stored-series.ts';

type Define = (
  name: string,
  help: string,
  labels: string[],
  read: (snapshot: Pick<MetricsSnapshot, 'measures' | 'idleGate' | 'due'>) => readonly Series<string>[],
) => void;

const LABELS = ['mode', 'provider'] as const;
const MS_PER_SECOND = 1_000;

export function defineIdle(gauge: Define, counter: Define): void {
  const counted = (name: string, help: string, measure: string, unit = 1) =>
    counter(name, help, [...LABELS], ({ measures }) =>
      seriesOf(measures, 'idle', ['what', ...LABELS])
        .filter(({ labels }) => labels.what === measure)
        .map(({ labels: { mode, provider }, value }) => ({
          labels: { mode, provider },
          value: value / unit,
        })),
    );
  counted(
    'idle_suspensions_total',
    'Suspensions of idle sandboxes; in shadow mode, would-be ones.',
    'suspended',
  );
  counted(
    'idle_suspensions_crossed_total',
    'Of those, the ones that came to nothing: somebody came first, or the pause failed.',
    'forgotten',
  );
  counted('idle_saved_seconds_total', 'Time not spent running because of them.', 'savedMs', MS_PER_SECOND);
  counted('idle_regretted_total', 'Of those, the ones used again within ten minutes.', 'usedAgain');
  gauge(
    'idle_regret_ratio',
    'Share of the suspensions of seven days that were used again within ten minutes, by the mode in force.',
    ['mode'],
    ({ idleGate }) => {
      const value = idleGate && regretRate(idleGate.counts);
      return value === undefined ? [] : [{ labels: { mode: idleGate?.mode ?? 'off' }, value }];
    },
  );
  gauge(
    'idle_mode',
    'What really happens to idle sandboxes: 1 for the mode in force.',
    ['mode'],
    ({ idleGate }) =>
      idleGate ? IDLE_MODES.map((mode) => ({ labels: { mode }, value: Number(idleGate.mode === mode) })) : [],
  );
  gauge(
    'sweep_due',
    'Sandboxes that a sweep is to look at now; it stays high while more are to be suspended than their place takes.',
    ['sweep'],
    ({ due }) => Object.entries(due).map(([sweep, value]) => ({ labels: { sweep }, value })),
  );
  gauge('idle_held_back', 'Whether enforce is configured and has yet to be earned.', [], ({ idleGate }) =>
    idleGate ? [{ labels: {}, value: Number(idleGate.heldBack !== undefined) }] : [],
  );
}
