import type { ConfigProblem } from './config-error.ts';
import { SETTINGS } from './config-schema.ts';

const OUR_PREFIXES = /^(SANDBOX|PVE|PROXMOX|MORPH|IDLE)_/;
/** Whoever comes near a name as long as this means it. Shorter ones of ours, such as `PORT`, others have as well. */
const OUR_LENGTH = 12;
const ROUTE_PREFIX = 'SANDBOX_ROUTE_';
/** One slip of the finger, or two; further away it is somebody else's variable. */
const TYPO_DISTANCE = 2;

/** Variables that look like ours and are not: a misspelt one would silently do nothing. */
export function findTypos(variables: readonly string[]): readonly ConfigProblem[] {
  const known: readonly string[] = SETTINGS;
  return variables.flatMap((name): ConfigProblem[] => {
    if (known.includes(name)) return [];
    const near = known.filter((candidate) => OUR_PREFIXES.test(name) || candidate.length >= OUR_LENGTH);
    const meant = near.find((candidate) => distance(name, candidate) <= TYPO_DISTANCE);
    if (meant !== undefined) {
      const problem = `no such setting; probably ${meant} is meant`;
      return [{ setting: name, problem, remedy: `rename it to ${meant}, or unset it` }];
    }
    if (!name.startsWith(ROUTE_PREFIX)) return [];
    const routes = known.filter((candidate) => candidate.startsWith(ROUTE_PREFIX));
    return [{ setting: name, problem: 'no such workload', remedy: `use one of ${routes.join(', ')}` }];
  });
}

/** Edits (insert, delete, replace, swap of neighbours) from one text to the other. */
function distance(from: string, to: string): number {
  let beforePrevious: readonly number[] = [];
  let previous: readonly number[] = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current: number[] = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const cost = from[row - 1] === to[column - 1] ? 0 : 1;
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      current[column] = Math.min(
        at(previous, column) + 1,
        at(current, column - 1) + 1,
        at(previous, column - 1) + cost,
        swapped ? at(beforePrevious, column - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    beforePrevious = previous;
    previous = current;
  }
  return at(previous, to.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
