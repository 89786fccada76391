/**
 * What the same history would have cost under another policy. The ledger knows when guests ran, not what was done
 * in them, so each policy is a pair of readings: the one most favourable to the policy (`lower`), and the one least
 * favourable (`upper`). The truth lies between; reports show both.
 *
 * `all_on_morph`: every guest where it ran and was paused as it was, at Morph's prices. One reading: both are equal.
 *
 * `no_idle_suspend`: nothing is ever paused. Lower: only what callers paused stays paused, which the ledger cannot
 * tell apart, so it is the history itself. Upper: every pause was a sweep's, and would have been running time.
 *
 * `old_rule`: cmux before this system, all on Morph. A sandbox is paused an hour after it was started or woken,
 * whatever goes on in it; any request wakes it for another hour; at 21:00 UTC whatever was created more than 20 h
 * ago is paused. Lower: no request came but those of the actual use, so each stretch of use runs for whole hours
 * from its beginning. Upper: an open tab polls all along, so it runs until it is destroyed, but for the time from
 * each 21:00 that pauses it until its next use.
 */
import { DAY_MS } from './day.ts';
import type { LedgerEntry } from './ledger.ts';
import { placedOnMorph, stateOnMorph } from './usage-on-morph.ts';

export const COUNTERFACTUALS = ['all_on_morph', 'no_idle_suspend', 'old_rule'] as const;
export type CounterfactualName = (typeof COUNTERFACTUALS)[number];

/** The intervals of all guests of one sandbox, in order of time. */
export type SandboxHistory = readonly LedgerEntry[];

export interface Readings {
  readonly lower: readonly LedgerEntry[];
  readonly upper: readonly LedgerEntry[];
}

const HOUR_MS = 3_600_000;
/** facts: `ttlSeconds: 3600` with action pause, re-armed by every wake. */
const OLD_TTL_MS = HOUR_MS;
/** facts: the daily sweep, UTC, over instances created more than 20 h ago. */
const OLD_SWEEP_OF_DAY_MS = 21 * HOUR_MS;
const OLD_SWEEP_AGE_MS = 20 * HOUR_MS;

export function asUnder(name: CounterfactualName, history: SandboxHistory): Readings {
  switch (name) {
    case 'all_on_morph': {
      const moved = history.map(onMorph);
      return { lower: moved, upper: moved };
    }
    case 'no_idle_suspend':
      return { lower: history, upper: history.map(asRunning) };
    case 'old_rule':
      return oldRule(history);
  }
}

function onMorph(entry: LedgerEntry): LedgerEntry {
  return { ...entry, state: stateOnMorph(entry.state), account: placedOnMorph(entry.account) };
}

function asRunning(entry: LedgerEntry): LedgerEntry {
  return entry.state === 'paused' || entry.state === 'stored' ? { ...entry, state: 'running' } : entry;
}

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

function oldRule(history: SandboxHistory): Readings {
  // A guest that a failed start left behind is a failure of Proxmox's: under the old rule there was none.
  const own = history.filter(({ state }) => state !== 'condemned' && state !== 'unowned').map(onMorph);
  const [first] = own;
  const last = own.at(-1);
  if (first === undefined || last === undefined) return { lower: [], upper: [] };
  const life = { fromMs: first.fromMs, toMs: last.toMs };
  const uses = joined(own.filter(({ state }) => state === 'running'));
  const atMost = pausedAtNight(uses, life);
  return {
    // The evening's sweep pauses an hour that is not in use, too.
    lower: filled(first, life, common(wholeHours(uses, life.toMs), atMost)),
    upper: filled(first, life, atMost),
  };
}

/** Spans that touch are one: a guest that was inspected in between did not stop. */
function joined(entries: readonly Span[]): readonly Span[] {
  const spans: Span[] = [];
  for (const { fromMs, toMs } of entries) {
    const before = spans.at(-1);
    if (before && fromMs <= before.toMs)
      spans.splice(-1, 1, { ...before, toMs: Math.max(before.toMs, toMs) });
    else spans.push({ fromMs, toMs });
  }
  return spans;
}

/** Woken again within its hour or at its end it goes on without a gap; else it runs to the end of its last hour. */
function wholeHours(uses: readonly Span[], endMs: number): readonly Span[] {
  const hours = uses.map(({ fromMs, toMs }) => ({
    fromMs,
    toMs: Math.min(endMs, fromMs + Math.ceil((toMs - fromMs) / OLD_TTL_MS) * OLD_TTL_MS),
  }));
  return joined(hours);
}

function pausedAtNight(uses: readonly Span[], life: Span): readonly Span[] {
  const spans: Span[] = [];
  let fromMs: number | undefined = life.fromMs;
  for (const sweepMs of sweepsIn(life)) {
    if (sweepMs - life.fromMs <= OLD_SWEEP_AGE_MS) continue;
    if (fromMs === undefined) fromMs = nextUse(uses, sweepMs - DAY_MS, sweepMs);
    if (fromMs === undefined) continue;
    spans.push({ fromMs, toMs: sweepMs });
    // In use at that moment it is woken at once by whoever uses it.
    fromMs = uses.some((use) => use.fromMs < sweepMs && sweepMs < use.toMs) ? sweepMs : undefined;
  }
  fromMs ??= nextUse(uses, spans.at(-1)?.toMs ?? life.fromMs, life.toMs);
  if (fromMs !== undefined && fromMs < life.toMs) spans.push({ fromMs, toMs: life.toMs });
  return joined(spans);
}

/** What is in both; each is in order and without overlap. */
function common(some: readonly Span[], others: readonly Span[]): readonly Span[] {
  return some.flatMap(({ fromMs, toMs }) =>
    others
      .map((other) => ({ fromMs: Math.max(fromMs, other.fromMs), toMs: Math.min(toMs, other.toMs) }))
      .filter((span) => span.fromMs < span.toMs),
  );
}

/** When it was first used in a time; a use that began before counts from the time's beginning. */
function nextUse(uses: readonly Span[], fromMs: number, toMs: number): number | undefined {
  const use = uses.find((each) => each.toMs > fromMs && each.fromMs < toMs);
  return use && Math.max(use.fromMs, fromMs);
}

/** Bounded by the age of a sandbox in days. */
function* sweepsIn({ fromMs, toMs }: Span): Generator<number> {
  const firstMs = Math.floor(fromMs / DAY_MS) * DAY_MS + OLD_SWEEP_OF_DAY_MS;
  for (let atMs = firstMs; atMs < toMs; atMs += DAY_MS) if (atMs > fromMs) yield atMs;
}

/** A life as entries: running in the spans, paused in between. */
function filled(like: LedgerEntry, life: Span, running: readonly Span[]): readonly LedgerEntry[] {
  const entries: LedgerEntry[] = [];
  let atMs = life.fromMs;
  const add = (state: 'running' | 'paused', toMs: number) => {
    if (toMs > atMs) entries.push({ ...like, state, fromMs: atMs, toMs, toEvidence: 'clock' });
    atMs = Math.max(atMs, toMs);
  };
  for (const { fromMs, toMs } of running) {
    add('paused', fromMs);
    add('running', toMs);
  }
  add('paused', life.toMs);
  return entries;
}
