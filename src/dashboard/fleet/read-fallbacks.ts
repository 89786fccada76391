import type { Operation } from '../../core/operation.ts';
import type { ProviderName } from '../../core/provider-name.ts';
import type { Sandbox } from '../../core/sandbox.ts';
import type { Store } from '../../store/store.ts';

/** The start that brought a sandbox to where it is. */
export type StartStory = Operation;

/** What one look at the page reads: two records each. The page says how many more there are. */
const MAX_READ = 20;

/** Why sandboxes are not on the primary provider: by sandbox id, the newest ones. */
export async function readFallbacks(
  store: Store,
  sandboxes: readonly Sandbox[],
  primary: ProviderName | undefined,
): Promise<ReadonlyMap<string, StartStory>> {
  const elsewhere = sandboxes.filter((sandbox) => isElsewhere(sandbox, primary)).slice(0, MAX_READ);
  const stories = await Promise.all(
    elsewhere.map(async ({ id, placement }) => {
      // The guest knows the start that made it; the sandbox's cause is its latest operation.
      const guest = placement && (await store.reading.guest(placement.guestId));
      return [id, guest && (await store.reading.operation(guest.createdByOperation))] as const;
    }),
  );
  return new Map(stories.flatMap(([id, story]) => (story === undefined ? [] : [[id, story] as const])));
}

export function isElsewhere(sandbox: Sandbox, primary: ProviderName | undefined): boolean {
  const { placement, fellBackFrom = [] } = sandbox;
  if (placement === undefined) return false;
  return fellBackFrom.length > 0 || (primary !== undefined && placement.provider !== primary);
}
