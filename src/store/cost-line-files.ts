/**
 * Metered lines of the bill on disk, beside the ledger's days and for ever: `lines.jsonl`, one JSON object a line, in
 * the order in which they were told. A crash may write some twice, or half of one: the first of each id counts.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { MeteredLine } from '../core/cost-lines.ts';
import { appendLines } from './append-lines.ts';
import { unlessMissing } from './ledger-files.ts';
import { readJson } from './read-json.ts';

const FILE = 'lines.jsonl';

const schema = z.object({ id: z.string(), line: z.string(), microUsd: z.number(), day: z.number() });

/** Returns once the lines are on disk. */
export async function appendCostLines(folder: string, lines: readonly MeteredLine[]): Promise<void> {
  await appendLines(
    folder,
    FILE,
    lines.map((line) => JSON.stringify(line)),
  );
}

/** Each id once, as it was told first. */
export async function readCostLines(folder: string): Promise<readonly MeteredLine[]> {
  const text = await readFile(join(folder, FILE), 'utf8').catch(unlessMissing(() => ''));
  const byId = new Map<string, MeteredLine>();
  for (const line of text.split('\n').flatMap((each) => schema.safeParse(readJson(each)).data ?? [])) {
    if (!byId.has(line.id)) byId.set(line.id, line);
  }
  return [...byId.values()];
}
