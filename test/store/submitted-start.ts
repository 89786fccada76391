import { randomUUID } from 'node:crypto';
import type { Operation } from '../../src/core/operation.ts';
import type { Store } from '../../src/store/store.ts';

/** A start as it is right after it was submitted: its first attempt open on morph, nobody at work on it. */
export async function submitStart(store: Store): Promise<Operation> {
  const id = randomUUID();
  const request = {
    sources: {},
    requiresRamSnapshot: false,
    allowFallback: true,
    metadata: {},
    onExpiry: 'pause' as const,
    protected: false,
  };
  const operation = {
    id: `op-${id}`,
    kind: 'start' as const,
    sandboxId: `sbx-${id}`,
    options: {},
    route: { candidates: ['morph' as const], leftOut: [] },
    requestedBy: 'test',
    createdAtMs: 1,
    deadlineAtMs: 2,
  };
  await store.submission.start(operation, request, 'morph', undefined);
  return (await store.reading.operation(operation.id)) as Operation;
}
