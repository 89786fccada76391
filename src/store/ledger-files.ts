/**
 * The ledger on disk, for ever: `<day>.jsonl` holds the entries that closed on that day (UTC), one JSON object a
 * line, and `open.json` what was open at the last flush. Entries are written before they leave Redis's journal, so a
 * crash in between writes some twice; a crash in the middle of a line leaves half of one. Readers take each id once and
 * pass over what is no entry: what matters was, or will be, written whole.
 */
import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { dayOf, dayText } from '../core/day.ts';
import { entryId, type LedgerEntry, type OpenInterval } from '../core/ledger.ts';
import type { LedgerOrigin } from '../core/ledger-origin.ts';
import { BILLING_STATES } from '../core/price-book.ts';
import { PROVIDER_NAMES } from '../core/provider-name.ts';
import { appendLines, syncFolder } from './append-lines.ts';
import { readJson } from './read-json.ts';

export interface OpenSnapshot {
  readonly takenAtMs: number;
  /** Absent: the last release wrote it. */
  readonly origin?: LedgerOrigin;
  readonly open: readonly OpenInterval[];
}

export interface EntriesOfDay {
  readonly day: string;
  /** Each id once. */
  readonly entries: readonly LedgerEntry[];
  readonly repeated: number;
  /** Lines that are no entry. */
  readonly unreadable: number;
}

const SNAPSHOT = 'open.json';
const DAY_FILE = /^\d{4}-\d{2}-\d{2}\.jsonl$/;

/** Returns once the entries are on disk. */
export async function appendEntries(folder: string, entries: readonly LedgerEntry[]): Promise<void> {
  for (const day of new Set(entries.map(closingDay))) {
    const ofDay = entries.filter((entry) => closingDay(entry) === day);
    await appendLines(
      folder,
      `${day}.jsonl`,
      ofDay.map((entry) => JSON.stringify(writeEntry(entry))),
    );
  }
}

/** Decides the file, so that an entry which is written twice stands twice in one file. */
function closingDay({ toMs }: LedgerEntry): string {
  return dayText(dayOf(toMs));
}

/** Replaces the snapshot as a whole: there is always one that can be read. */
export async function writeSnapshot(
  folder: string,
  { open: intervals, ...about }: OpenSnapshot,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, SNAPSHOT);
  const file = await open(`${path}.new`, 'w');
  try {
    await file.writeFile(JSON.stringify({ version: 1, ...about, open: intervals.map(writeOpen) }));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  await syncFolder(folder);
}

/** Day by day, the oldest first. A folder that is not there holds nothing. */
export async function* readEntries(folder: string): AsyncGenerator<EntriesOfDay> {
  const names = await readdir(folder).catch(unlessMissing(() => []));
  for (const name of names.filter((each) => DAY_FILE.test(each)).sort()) {
    const lines = (await readFile(join(folder, name), 'utf8')).split('\n').filter((line) => line !== '');
    const byId = new Map<string, LedgerEntry>();
    let unreadable = 0;
    for (const line of lines) {
      const entry = parseLine(line);
      if (entry === undefined) unreadable += 1;
      else if (!byId.has(entryId(entry))) byId.set(entryId(entry), entry);
    }
    const repeated = lines.length - unreadable - byId.size;
    yield { day: name.slice(0, 'yyyy-mm-dd'.length), entries: [...byId.values()], repeated, unreadable };
  }
}

/** `undefined`: there never was a flush. One that cannot be read is set aside beside it, and is none. */
export async function readSnapshot(folder: string): Promise<OpenSnapshot | undefined> {
  const path = join(folder, SNAPSHOT);
  const text = await readFile(path, 'utf8').catch(unlessMissing(() => undefined));
  if (text === undefined) return undefined;
  const { data } = snapshotSchema.safeParse(readJson(text));
  if (data === undefined) {
    await rename(path, `${path}.unreadable`);
    return undefined;
  }
  const { version: _, ...snapshot } = data;
  return snapshot;
}

export function unlessMissing<T>(otherwise: () => T) {
  return (error: unknown): T => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return otherwise();
    throw error;
  };
}

function parseLine(line: string): LedgerEntry | undefined {
  const parsed = readJson(line);
  const open = openSchema.safeParse(parsed);
  const end = endSchema.safeParse(parsed);
  return open.success && end.success ? { ...open.data, ...end.data } : undefined;
}

function writeEntry(entry: LedgerEntry) {
  return { id: entryId(entry), ...writeOpen(entry), toMs: entry.toMs, toEvidence: entry.toEvidence };
}

function writeOpen({ account, state, fromMs, fromEvidence }: OpenInterval) {
  const { size, ...who } = account;
  return { ...who, ...size, state, fromMs, fromEvidence };
}

const evidence = z.enum(['provider', 'clock']);
const openFields = {
  guestId: z.string(),
  sandboxId: z.string(),
  provider: z.enum(PROVIDER_NAMES),
  failureDomain: z.string(),
  node: z.string().exactOptional(),
  teamId: z.string().exactOptional(),
  userId: z.string().exactOptional(),
  preset: z.string().exactOptional(),
  meantFor: z.enum(PROVIDER_NAMES).exactOptional(),
  vcpus: z.number(),
  memoryMib: z.number(),
  diskGib: z.number(),
  state: z.enum(BILLING_STATES),
  fromMs: z.number(),
  fromEvidence: evidence,
};

const openSchema = z.object(openFields).transform(
  ({ state, fromMs, fromEvidence, vcpus, memoryMib, diskGib, ...who }): OpenInterval => ({
    account: { ...who, size: { vcpus, memoryMib, diskGib } },
    state,
    fromMs,
    fromEvidence,
  }),
);

const endSchema = z.object({ toMs: z.number(), toEvidence: evidence });

const snapshotSchema = z.object({
  version: z.literal(1),
  takenAtMs: z.number(),
  origin: z.object({ id: z.string(), flush: z.number() }).exactOptional(),
  open: z.array(openSchema),
});
