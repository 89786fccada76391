/**
 * What Proxmox's Perl calls `die`. Thrown before the fork it becomes an HTTP error with the message as reason
 * phrase; thrown inside a task it becomes the exit status. The same check can do either, as in the original.
 */
export class PveFailure extends Error {
  readonly status: number;
  readonly errors: Readonly<Record<string, string>> | undefined;

  constructor(
    message: string,
    options: { readonly status?: number; readonly errors?: Readonly<Record<string, string>> } = {},
  ) {
    super(message);
    this.name = 'PveFailure';
    this.status = options.status ?? 500;
    this.errors = options.errors;
  }
}

export function badParameters(errors: Readonly<Record<string, string>>): PveFailure {
  return new PveFailure('Parameter verification failed.', { status: 400, errors });
}
