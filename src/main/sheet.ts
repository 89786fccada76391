/** Figures for people: the same sheets as columns at a terminal, or as Markdown for a review. */
import { columns } from './describe-sandbox.ts';
import { fittingTable, fold } from './fit.ts';
import { ENDLESS, type Format } from './output.ts';

export interface Sheet {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Heads of the columns that a narrow terminal is not shown, the least useful first. */
  readonly dispensable?: readonly string[];
  /** Sentences below the table. */
  readonly notes?: readonly string[];
}

/** @param width of the terminal, in characters; Markdown has none */
export function renderSheets(sheets: readonly Sheet[], format: Format, width = ENDLESS): string {
  const render = format === 'markdown' ? asMarkdown : (sheet: Sheet) => asColumns(sheet, width);
  return sheets.map(render).join('\n\n');
}

function asColumns({ title, head, rows, dispensable = [], notes = [] }: Sheet, width: number): string {
  const fitted = () =>
    isPairs(rows) ? columns(rows, width) : fittingTable(head, rows, { width, dispensable });
  const body = rows.length === 0 ? [] : [fitted()];
  return [title, ...body, ...notes.map((note) => fold(note, width))].join('\n');
}

/** A question and its answer, which is a sentence. */
function isPairs(rows: Sheet['rows']): rows is readonly (readonly [string, string])[] {
  return rows.every(({ length }) => length === 2);
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
