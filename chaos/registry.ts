/** What the records say of everything that was promised, and of every guest that was seen. */
import type { Store } from '../src/store/store.ts';
import type { Accepted, GuestFacts, OperationFacts, Registry, SandboxFacts, SeenGuest } from './checker.ts';

export async function readRegistry(
  { reading, redis, keys }: Store,
  seen: readonly SeenGuest[],
  accepted: readonly Accepted[],
): Promise<Registry> {
  const [unsettled, condemned] = await Promise.all([
    redis.zrange(keys.operationsDue, 0, -1),
    redis.zrange(keys.guestsCondemned, 0, -1),
  ]);
  const sandboxIds = [
    ...accepted.map(({ sandboxId }) => sandboxId),
    ...seen.flatMap(({ sandboxId }) => (sandboxId === undefined ? [] : [sandboxId])),
  ];
  const sandboxes = await readAll(sandboxIds, async (id): Promise<SandboxFacts | undefined> => {
    const sandbox = await reading.sandbox(id);
    const guestId = sandbox?.placement?.guestId;
    return sandbox && { state: sandbox.state, ...(guestId === undefined ? {} : { guestId }) };
  });
  // A guest that is being cloned has no marker for a while, and none at all when its clone dies first: its start says
  // that it is there.
  const underWay = await readAll(unsettled, async (id) => reading.operation(id));
  const guestIds = [
    ...condemned,
    ...[...underWay.values()].flatMap(({ attempts }) => attempts.at(-1)?.guestId ?? []),
    ...seen.flatMap(({ guestId }) => (guestId === undefined ? [] : [guestId])),
    ...[...sandboxes.values()].flatMap(({ guestId }) => (guestId === undefined ? [] : [guestId])),
  ];
  const guests = await readAll(guestIds, async (id): Promise<GuestFacts | undefined> => {
    const guest = await reading.guest(id);
    const nativeId = guest?.ref?.nativeId ?? guest?.intent.vmid?.toString();
    return guest && { ...guest, ...(nativeId === undefined ? {} : { nativeId }) };
  });
  const creators = [...guests.values()].map(({ createdByOperation }) => createdByOperation);
  const operations = await readAll(
    [...unsettled, ...creators, ...accepted.map(({ operationId }) => operationId)],
    async (id): Promise<OperationFacts | undefined> => reading.operation(id),
  );
  return { guests, sandboxes, operations };
}

async function readAll<T>(
  ids: readonly string[],
  read: (id: string) => Promise<T | undefined>,
): Promise<ReadonlyMap<string, T>> {
  const distinct = [...new Set(ids)];
  const records = await Promise.all(distinct.map(read));
  return new Map(
    distinct.flatMap((id, index) => {
      const record = records[index];
      return record === undefined ? [] : [[id, record] as const];
    }),
  );
}
