import type { ConfigProblem } from './config-error.ts';
import { REMEDIES, type Setting } from './config-schema.ts';

/** Collects problems, so that all of them are told at once. */
export interface Problems {
  /** Without a remedy, the setting's usual one is given. */
  add(setting: Setting, problem: string, remedy?: string): void;
  /** For what has no setting of ours: an unknown variable, a place in a file. */
  addOther(problem: ConfigProblem): void;
  /** Whether a setting is in trouble already, so that what follows from it need not be told too. */
  has(setting: Setting): boolean;
  readonly all: readonly ConfigProblem[];
}

export function createProblems(): Problems {
  const all: ConfigProblem[] = [];
  return {
    all,
    add: (setting, problem, remedy = REMEDIES[setting]) => void all.push({ setting, problem, remedy }),
    addOther: (problem) => void all.push(problem),
    has: (setting) => all.some((problem) => problem.setting === setting),
  };
}
