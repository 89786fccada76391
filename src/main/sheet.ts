/** Figures for people: the same sheets as columns at a terminal, or as Markdown for a review. */
import type { Format } from './output.ts';
import { table } from './output.ts';

export interface Sheet {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Sentences below the table. */
  readonly notes?: readonly string[];
}

export function renderSheets(sheets: readonly Sheet[], format: Format): string {
  return sheets.map(format === 'markdown' ? asMarkdown : asColumns).join('\n\n');
}

function asColumns({ title, head, rows, notes = [] }: Sheet): string {
  const body = rows.length === 0 ? [] : [table(head, rows)];
  return [title, ...body, ...notes].join('\n');
}

function asMarkdown({ title, head, rows, notes = [] }: Sheet): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const body =
    rows.length === 0 ? [] : [[line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')];
  return [`## ${title}`, ...body, ...notes].join('\n\n');
}

const USD = 1_000_000;

/** `$12.35` */
export function usd(microUsd: number): string {
  return `$${(microUsd / USD).toFixed(2)}`;
}

/** Where both readings are one, it is one figure. */
export function usdRange(lower: number, upper: number): string {
  return lower === upper ? usd(lower) : `${usd(lower)} to ${usd(upper)}`;
}

export function hours(ms: number): string {
  return `${(ms / 3_600_000).toFixed(1)} h`;
}
