/**
 * Repairs indexes from the records they are made of. Every index is written in the transaction that changes its
 * record, so nothing here is needed while nothing went wrong; but a hand in Redis, a defect or a half-restored dump
 * would else leave a sandbox that no sweep ever sees again.
 *
 * A round goes over all records (`SCAN`) and then over every index (`ZSCAN`), a bounded piece at a time; the place
 * is kept in Redis, so that a round goes on in whichever process comes next. Each record is compared and mended in
 * one script, so that nothing can change in between. What is right is not written to.
 */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { PROVIDER_NAMES } from '../core/provider-name.ts';
import type { Keys } from './keys.ts';
import { SCHEMA_VERSION } from './records.ts';
import type { Scripts } from './scripts.ts';
import type { BeginTransaction } from './transaction.ts';
import { reclaimVmids } from './vmid-reclaim.ts';

export interface HealedPiece {
  /** Records that were compared with their indexes. */
  readonly looked: number;
  /** Index → how many repairs. */
  readonly healed: ReadonlyMap<string, number>;
  /** This piece was the last of its round. */
  readonly endsRound: boolean;
}

export interface Healing {
  /** The next piece, of about two hundred records. A dry run leaves the place where it is. */
  healNext(options: { readonly dryRun: boolean; readonly nowMs: number }): Promise<HealedPiece>;
  /** VMIDs of a failure domain that a dead worker left held. Returns how many were given back. */
  reclaimVmids(failureDomain: string): Promise<number>;
}

/** Records compared in one piece, in one round trip: some milliseconds of Redis. */
const RECORDS_PER_PIECE = 200;
/** Keys that one `SCAN` looks at; most are none of ours when others share the Redis. */
const KEYS_PER_SCAN = 200;
/** So that a piece is over soon in a Redis full of other keys. */
const SCANS_PER_PIECE = 10;
/**
 * Counts by state are compared in one look at all current sandboxes, once a round: some 20 ms of Redis at this
 * many, and above it they are left as they are.
 */
const MOST_COUNTED = 20_000;

type Kind = 'sandbox' | 'operation' | 'guest';

interface Subject {
  readonly kind: Kind;
  readonly id: string;
}

interface Deps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly scripts: Scripts;
  readonly begin: BeginTransaction;
}

export function createHealing(deps: Deps): Healing {
  const { redis, keys } = deps;
  const indexes = indexesOf(keys);
  const repair = createRepair(deps);

  return {
    async healNext({ dryRun, nowMs }) {
      const [part = null, cursor = null] = await redis.hmget(keys.healing, 'part', 'cursor');
      const at = Math.min(Number(part ?? 0), indexes.length);
      const index = indexes[at - 1];
      const piece = index
        ? await readIndex(redis, index, cursor ?? '0')
        : await readRecords(deps, cursor ?? '0');
      const healed = new Map<string, number>();
      for (const names of await repair(piece.subjects, dryRun, nowMs)) {
        for (const name of names) healed.set(name, (healed.get(name) ?? 0) + 1);
      }
      const endsPart = piece.cursor === '0';
      const endsRound = endsPart && at === indexes.length;
      if (endsRound) {
        const counts = await recount(deps, dryRun);
        if (counts > 0) healed.set('sandboxes:counts', (healed.get('sandboxes:counts') ?? 0) + counts);
      }
      const next = endsPart ? (at + 1) % (indexes.length + 1) : at;
      if (!dryRun) await redis.hset(keys.healing, { part: next, cursor: piece.cursor });
      return { looked: piece.subjects.length, healed, endsRound };
    },

    async reclaimVmids(failureDomain) {
      const reclaimed = await reclaimVmids(deps, failureDomain);
      if (reclaimed > 0) await redis.hincrby(keys.measures, 'healed|vmids', reclaimed);
      return reclaimed;
    },
  };
}

interface Piece {
  readonly subjects: readonly Subject[];
  /** Where to go on; '0': the part is over. */
  readonly cursor: string;
}

interface Index {
  readonly key: string;
  readonly kind: Kind;
}

function indexesOf(keys: Keys): readonly Index[] {
  const of = (kind: Kind, ...names: readonly string[]) => names.map((key) => ({ key, kind }));
  return [
    ...of('sandbox', keys.sandboxesCurrent, keys.idleDue, keys.idle.upcoming, keys.expiryDue),
    ...of('sandbox', keys.retentionDue),
    ...of('operation', keys.operationsDue),
    ...of('guest', keys.guestsCondemned, keys.guestsUnowned, ...PROVIDER_NAMES.map(keys.guestsOf)),
  ];
}

async function readIndex(redis: Redis, { key, kind }: Index, from: string): Promise<Piece> {
  const [cursor, flat] = await redis.zscan(key, from, 'COUNT', RECORDS_PER_PIECE);
  const ids = flat.filter((_text, position) => position % 2 === 0);
  return { cursor, subjects: ids.map((id) => ({ kind, id })) };
}

async function readRecords({ redis, keys }: Deps, from: string): Promise<Piece> {
  const subjects: Subject[] = [];
  const isRecord = new RegExp(`^${escapeRegExp(keys.tag)}:(sandbox|operation|guest):([^:]+)$`);
  let cursor = from;
  for (let scans = 0; scans < SCANS_PER_PIECE && subjects.length < RECORDS_PER_PIECE; scans += 1) {
    const [next, found] = await redis.scan(cursor, 'MATCH', `${keys.tag}:*`, 'COUNT', KEYS_PER_SCAN);
    for (const key of found) {
      const [, kind, id] = isRecord.exec(key) ?? [];
      if (kind !== undefined && id !== undefined) subjects.push({ kind: kind as Kind, id });
    }
    cursor = next;
    if (cursor === '0') break;
  }
  return { subjects, cursor };
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

const namesSchema = z.array(z.string());

function createRepair({ keys, scripts }: Deps) {
  const namesOf: Readonly<Record<Kind, (id: string) => readonly string[]>> = {
    sandbox: (id) => [
      ...[keys.sandbox(id), keys.sandboxesCurrent, keys.sandboxesEnded, keys.sandboxesCounts],
      ...[keys.idleDue, keys.idle.upcoming, keys.expiryDue, keys.retentionDue, keys.measures],
    ],
    operation: (id) => [keys.operation(id), keys.operationsDue, keys.measures],
    guest: (id) => [
      ...[keys.guest(id), keys.guestsCondemned, keys.guestsUnowned, keys.measures],
      ...PROVIDER_NAMES.map(keys.guestsOf),
    ],
  };
  return (subjects: readonly Subject[], dryRun: boolean, nowMs: number) =>
    Promise.all(
      subjects.map(async ({ kind, id }) => {
        const args = [id, nowMs, SCHEMA_VERSION, dryRun ? '1' : '0'];
        const more = kind === 'guest' ? PROVIDER_NAMES : [];
        return namesSchema.parse(await scripts.run(`heal-${kind}`, namesOf[kind](id), [...args, ...more]));
      }),
    );
}

/**
 * The counts against the sum over all current sandboxes, both read in one step. Every change of state adds and takes
 * away, so what was wrong at that moment is wrong by the same amount later, and is taken away the same way.
 */
async function recount({ redis, keys }: Deps, dryRun: boolean): Promise<number> {
  const ids = await redis.zrange(keys.sandboxesCurrent, 0, MOST_COUNTED);
  if (ids.length > MOST_COUNTED) return 0;
  const reading = redis.multi().zcard(keys.sandboxesCurrent).hgetall(keys.sandboxesCounts);
  for (const id of ids) reading.hget(keys.sandbox(id), 'countedAs');
  const replies = ((await reading.exec()) ?? []).map(([error, reply]) => {
    if (error) throw error;
    return reply;
  });
  const [size, shown, ...counted] = z
    .tuple([z.number(), z.record(z.string(), z.coerce.number())])
    .rest(z.string().nullable())
    .parse(replies);
  // One came or went between the two reads: the next round sees.
  if (size !== ids.length) return 0;
  const missing = new Map(Object.entries(shown).map(([name, count]) => [name, -count]));
  for (const name of counted) if (name !== null) missing.set(name, (missing.get(name) ?? 0) + 1);
  const wrong = [...missing].filter(([, by]) => by !== 0);
  if (wrong.length === 0 || dryRun) return wrong.length;
  const writing = redis.multi();
  for (const [name, by] of wrong) writing.hincrby(keys.sandboxesCounts, name, by);
  writing.hincrby(keys.measures, 'healed|sandboxes:counts', wrong.length);
  await writing.exec();
  return wrong.length;
}
