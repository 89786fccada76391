/**
 * What of the ledger nobody could read, on disk: `unreadable.jsonl` holds closed intervals as Redis had them, one JSON
 * text a line. A release that can read them counts them with the next rebuild.
 */
import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { appendLines, syncFolder } from './append-lines.ts';
import { readEntry } from './ledger-encoding.ts';
import { appendEntries, unlessMissing } from './ledger-files.ts';
import { readJson } from './read-json.ts';

const FILE = 'unreadable.jsonl';

/** Returns once they are on disk. */
export async function appendUnreadable(folder: string, texts: readonly string[]): Promise<void> {
  await appendLines(
    folder,
    FILE,
    texts.map((text) => JSON.stringify(text)),
  );
}

/** Each once: a run that died may have written some twice. */
export async function readUnreadable(folder: string): Promise<readonly string[]> {
  const lines = await readFile(join(folder, FILE), 'utf8').catch(unlessMissing(() => ''));
  const texts = lines.split('\n').flatMap((line) => z.string().safeParse(readJson(line)).data ?? []);
  return [...new Set(texts)];
}

/** Moves what this release can read to the entries of its days. A crash in between leaves it in both: it counts once. */
export async function reclaimReadable(folder: string): Promise<void> {
  const texts = await readUnreadable(folder);
  const entries = texts.flatMap((text) => readEntry(text) ?? []);
  if (entries.length === 0) return;
  await appendEntries(folder, entries);
  await replace(
    join(folder, FILE),
    texts.filter((text) => readEntry(text) === undefined),
  );
  await syncFolder(folder);
}

async function replace(path: string, texts: readonly string[]): Promise<void> {
  if (texts.length === 0) return await rm(path);
  const file = await open(`${path}.new`, 'w');
  try {
    await file.writeFile(texts.map((text) => `${JSON.stringify(text)}\n`).join(''));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}
