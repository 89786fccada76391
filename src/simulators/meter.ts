/**
 * A billing meter of a simulated provider, by its own changes of state and its own clock. It knows nothing of the
 * ledger, so that the two can be held against each other.
 */
export type MeteredState = 'running' | 'paused' | 'stored';

export interface MeteredSpan {
  /** What names the guest: on Proxmox its name, on Morph the id in our marker. */
  readonly guest: string;
  readonly state: MeteredState;
  readonly fromMs: number;
  /** Now, for a span that is not over. */
  readonly toMs: number;
}

export interface Meter {
  /** Everything that exists now. To be called at every change; what is missing is gone. */
  readonly read: (existing: ReadonlyMap<string, MeteredState>) => void;
  readonly spans: () => readonly MeteredSpan[];
}

export function createMeter(nowMs: () => number): Meter {
  const over: MeteredSpan[] = [];
  const current = new Map<string, { readonly state: MeteredState; readonly fromMs: number }>();

  return {
    read: (existing) => {
      const atMs = nowMs();
      for (const [guest, span] of current) {
        if (existing.get(guest) === span.state) continue;
        over.push({ guest, ...span, toMs: atMs });
        current.delete(guest);
      }
      for (const [guest, state] of existing) {
        if (!current.has(guest)) current.set(guest, { state, fromMs: atMs });
      }
    },
    spans: () => [...over, ...[...current].map(([guest, span]) => ({ guest, ...span, toMs: nowMs() }))],
  };
}
