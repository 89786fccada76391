/**
 * What a terminal shows, fitted to its width: a line that it breaks by itself is hard to read. Where nobody looks at a
 * terminal the width is endless, so that lines can be cut and searched.
 */
import { table } from './output.ts';

/** Below this nothing is readable anyway, and folding would leave a word a line. */
const LEAST_WIDTH = 40;

export interface FitOptions {
  /** In characters. */
  readonly width: number;
  /** Heads of the columns that may be left out, the least useful first. */
  readonly dispensable: readonly string[];
}

/** The table with as many columns as fit. */
export function fittingTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { width, dispensable }: FitOptions,
): string {
  const whole = table(head, rows);
  const [leastUseful, ...others] = dispensable;
  if (leastUseful === undefined || widest(whole) <= width) return whole;
  const left = head.indexOf(leastUseful);
  const without = (cells: readonly string[]) => cells.filter((_, place) => place !== left);
  return fittingTable(without(head), rows.map(without), { width, dispensable: others });
}

function widest(text: string): number {
  return Math.max(...text.split('\n').map(({ length }) => length));
}

/** Breaks a line between words; what follows is indented by `indent`. A word that is too long stays whole. */
export function fold(line: string, width: number, indent = 0): string {
  const room = Math.max(width, LEAST_WIDTH);
  if (line.length <= room) return line;
  const folded: string[] = [];
  let current = '';
  // Each word with the spaces before it, which separate facts where there are two.
  for (const word of line.match(/\s*\S+/g) ?? []) {
    if (current.trim() === '' || (current + word).length <= room) {
      current += word;
      continue;
    }
    folded.push(current);
    current = ' '.repeat(indent) + word.trimStart();
  }
  return [...folded, current].join('\n');
}
