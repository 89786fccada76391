const MARK = Symbol.for('cmux-lifecycle.ConfigError');

/** One thing that is wrong with the set-up, in words for the person who has to change it. */
export interface ConfigProblem {
  /** The variable, the path inside a file, or the part of the set-up that is meant. */
  readonly setting: string;
  readonly problem: string;
  /** What to do about it, an exact line where there is one. Never holds a secret. */
  readonly remedy: string;
}

/** The set-up cannot be used. Its message lists every problem at once and is fit to be shown as it is. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'bad_configuration';
  readonly [MARK] = true;
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[], options?: { readonly cause?: unknown }) {
    super(describe(problems), options);
    this.problems = problems;
  }
}

/** Works across copies of this module, as `instanceof` does not. */
export function isConfigError(value: unknown): value is ConfigError {
  return typeof value === 'object' && value !== null && MARK in value;
}

function describe(problems: readonly ConfigProblem[]): string {
  const what = 'The set-up cannot be used';
  const heading = problems.length === 1 ? `${what}:` : `${what}, ${problems.length} problems:`;
  const lines = problems.map(({ setting, problem, remedy }) => `  ${setting}: ${problem}\n    → ${remedy}`);
  return [heading, ...lines].join('\n');
}
