import { LifecycleError } from '../core/lifecycle-error.ts';
import { isEnded, type Sandbox } from '../core/sandbox.ts';
import type { Adjustment } from '../store/adjusting.ts';
import type { KnownKey } from '../store/idempotency.ts';
import { answerOnce, checked, keyFor, type SubmitOptions, UNNAMED } from './answer-once.ts';
import { findSandbox } from './find-sandbox.ts';
import type { SubmitterDeps } from './submitter-deps.ts';

/** Each loss of this race means that somebody else's change was written, so a few tries always suffice. */
const MAX_CONFLICTS = 20;

/** Changes what needs no provider, at once. Returns the sandbox as it is after. */
export async function adjustSandbox(
  deps: SubmitterDeps,
  anyId: string,
  adjustment: Adjustment,
  options: SubmitOptions,
): Promise<Sandbox> {
  const key = keyFor(options, { kind: 'adjust', anyId, adjustment });
  const { store, nowMs } = deps;
  const asItIs = (known: KnownKey) =>
    findSandbox(store, known.answer === 'sandbox' ? known.sandboxId : anyId, options.expectTeamId);

  async function decide(): Promise<Sandbox> {
    for (let conflicts = 0; conflicts < MAX_CONFLICTS; conflicts += 1) {
      const sandbox = await findSandbox(store, anyId, options.expectTeamId);
      if (isEnded(sandbox.state)) {
        throw new LifecycleError({
          code: 'wrong_state',
          message: `cannot change ${sandbox.id}: the sandbox is ${sandbox.state}`,
          retryable: false,
          sandboxId: sandbox.id,
        });
      }
      const by = options.requestedBy ?? UNNAMED;
      const result = await store.adjusting.adjust(sandbox, adjustment, {
        by,
        nowMs: nowMs(),
        idempotency: key,
      });
      if (result.result === 'written') return findSandbox(store, sandbox.id, options.expectTeamId);
      if (result.result === 'replayed' && key) return asItIs(checked(result.known, key));
    }
    throw new LifecycleError({
      code: 'store_unavailable',
      message: `the record of ${anyId} kept changing`,
      retryable: true,
    });
  }

  return answerOnce(store, key, decide, asItIs);
}
