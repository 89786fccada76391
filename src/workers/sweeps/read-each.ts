import type { Logger } from '../../platform/log.ts';

export interface ReadEach<T> {
  readonly found: ReadonlyMap<string, T>;
  /** Could not be read, written by a newer release, say: they must not keep a sweep from the others. */
  readonly failed: readonly string[];
}

/** Many records at once; those that are gone are left out. */
export async function readEach<T>(
  ids: readonly string[],
  read: (id: string) => Promise<T | undefined>,
  log: Logger,
): Promise<ReadEach<T>> {
  const found = new Map<string, T>();
  const failed: string[] = [];
  const results = await Promise.allSettled(ids.map(read));
  for (const [index, result] of results.entries()) {
    const id = ids[index] ?? '';
    if (result.status === 'rejected') {
      failed.push(id);
      log.error(
        { sandboxId: id, err: result.reason },
        'a sweep could not read this record; it is tried again',
      );
    } else if (result.value !== undefined) found.set(id, result.value);
  }
  return { found, failed };
}
