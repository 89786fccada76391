const NEWER_SCHEMA = Symbol.for('cmux-lifecycle.newer-schema');

/**
 * A record or a job that a newer release wrote. Whoever meets it leaves it as it is: while two releases run
 * side by side, the other one's processes understand it.
 */
export class NewerSchemaError extends Error {
  override readonly name = 'NewerSchemaError';
  readonly [NEWER_SCHEMA] = true;

  constructor(what: string, version: number) {
    super(`${what} was written by a newer release (schema ${version}): upgrade this process`);
  }
}

export function isNewerSchema(error: unknown): error is NewerSchemaError {
  return typeof error === 'object' && error !== null && NEWER_SCHEMA in error;
}
