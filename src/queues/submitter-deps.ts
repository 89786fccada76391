import type { Store } from '../store/store.ts';
import type { Queues } from './queues.ts';

export interface SubmitterDeps {
  readonly store: Store;
  readonly queues: Queues;
  readonly nowMs: () => number;
}
