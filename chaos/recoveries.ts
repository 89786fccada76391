/**
 * How long operations wait after their holder died or froze, and what for. Each look adds the time since the last
 * one to whatever the operation waits for now, so that a long recovery says by itself where its time went.
 */
import { isSettled } from '../src/core/operation.ts';
import type { Queues } from '../src/queues/queues.ts';
import type { Store } from '../src/store/store.ts';
import type { Finding } from './checker.ts';
import { type ClaimRecord, type HeldClaim, readClaim } from './claims-held.ts';

export interface Recoveries {
  /** From now on the next claim of each of these operations is looked for. */
  expect(held: readonly HeldClaim[], sinceMs: number): void;
  look(): Promise<void>;
  /** Times from a holder's death or freeze to the next claim, less Redis's absence. */
  readonly samplesMs: readonly number[];
  /** Those that took long, each with what it waited for. */
  readonly slow: readonly Finding[];
  /** Operations whose next claim has not come. */
  readonly open: () => readonly string[];
}

export interface RecoveriesDeps {
  readonly store: Store;
  readonly queues: Pick<Queues, 'attemptState' | 'byProvider'>;
  /** Workers that could carry an operation on. */
  readonly atWork: () => number;
  readonly awayMs: (fromMs: number, toMs: number) => number;
}

/** Longer than a lease, its send deadline and a pass of rescue should take. */
const SLOW_MS = 15_000;

/** Rescue's own claim only closes the abandoned attempt: what counts is the worker that carries on. */
const RESCUE = 'rescue ';

interface Awaited {
  readonly held: HeldClaim;
  readonly sinceMs: number;
  readonly waits: Map<string, number>;
  lookedAtMs: number;
}

export function watchRecoveries(deps: RecoveriesDeps): Recoveries {
  const { store, awayMs } = deps;
  const awaited = new Map<string, Awaited>();
  const samplesMs: number[] = [];
  const slow: Finding[] = [];

  function note(waiting: Awaited, what: string, atMs: number): void {
    const forMs = Math.max(0, atMs - waiting.lookedAtMs - awayMs(waiting.lookedAtMs, atMs));
    waiting.waits.set(what, (waiting.waits.get(what) ?? 0) + forMs);
    waiting.lookedAtMs = atMs;
  }

  async function look(): Promise<void> {
    for (const [id, waiting] of [...awaited]) {
      const record = await readClaim(store, id);
      const claimedAtMs = nextClaimAt(record, waiting.held);
      if (claimedAtMs === undefined) {
        note(waiting, await waitsFor(deps, record, waiting.held), Date.now());
        continue;
      }
      awaited.delete(id);
      const tookMs = Math.max(0, claimedAtMs - waiting.sinceMs - awayMs(waiting.sinceMs, claimedAtMs));
      samplesMs.push(tookMs);
      if (tookMs > SLOW_MS) slow.push({ id, why: explain(record?.kind ?? '', tookMs, waiting) });
    }
  }

  return {
    samplesMs,
    slow,
    look,
    open: () => [...awaited.keys()],
    expect(held, sinceMs) {
      // Who loses its next holder too is counted from the first loss.
      for (const claim of held) {
        if (awaited.has(claim.operationId)) continue;
        awaited.set(claim.operationId, { held: claim, sinceMs, waits: new Map(), lookedAtMs: sinceMs });
      }
    },
  };
}

function nextClaimAt(record: ClaimRecord | undefined, held: HeldClaim): number | undefined {
  if (record === undefined || record.epoch <= held.epoch) return undefined;
  if (isSettled(record.state)) return record.claimedAtMs ?? record.settledAtMs;
  const carriedOn = record.attempt > held.attempt || !record.holder.startsWith(RESCUE);
  return carriedOn ? record.claimedAtMs : undefined;
}

async function waitsFor(
  { store, queues, atWork }: RecoveriesDeps,
  record: ClaimRecord | undefined,
  held: HeldClaim,
): Promise<string> {
  if (record === undefined) return 'its record';
  if (atWork() === 0) return 'any worker to be up';
  if (record.attempt === held.attempt) {
    return record.leaseUntilMs > Date.now() ? 'the lease of its holder' : 'rescue';
  }
  const operation = await store.reading.operation(record.operationId);
  const attempt = operation?.attempts.at(-1);
  if (attempt === undefined) return 'its record';
  const state = await queues.attemptState(record.operationId, attempt.number, attempt.provider);
  if (state !== 'delayed') return `its job on ${attempt.provider}, ${state}`;
  const job = `${record.operationId}-a${attempt.number}`;
  const { logs = [] } = (await queues.byProvider.get(attempt.provider)?.getJobLogs(job)) ?? {};
  return `its job on ${attempt.provider}, ${logs.at(-1) ?? 'delayed'}`;
}

function explain(kind: string, tookMs: number, { waits }: Awaited): string {
  const parts = [...waits].map(([what, forMs]) => `${Math.round(forMs)} ms for ${what}`);
  return `${kind} went on after ${Math.round(tookMs)} ms: ${parts.join('; ')}`;
}
