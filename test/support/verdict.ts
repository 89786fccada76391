import { judge, type Verdict } from '../../chaos/checker.ts';
import { readRegistry } from '../../chaos/registry.ts';
import { seenGuests } from '../../chaos/seen-guests.ts';
import type { TestSystem } from './system.ts';

/** What the checker of chaos runs says of a system of tests. */
export async function judgeSystem({ simulators, system, producer }: TestSystem): Promise<Verdict> {
  const seen = seenGuests({ pve: simulators.pve.inventory(), morph: simulators.morph.inventory() });
  const { operations } = await producer.operations({ limit: 200 });
  const accepted = operations.flatMap(({ id, sandboxId, kind }) =>
    kind === 'discard' ? [] : [{ operationId: id, sandboxId }],
  );
  return judge(seen, await readRegistry(system.store, seen, accepted), accepted);
}
