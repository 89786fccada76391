import type { SandboxPlacement } from '../core/sandbox.ts';
import { type Keys, RETENTION_MS } from './keys.ts';
import type { Transaction } from './transaction.ts';

/** Moves a sandbox to the index of ended ones and lets its record expire; trims what expired already. */
export function endSandbox(
  transaction: Transaction,
  keys: Keys,
  sandboxId: string,
  placement: SandboxPlacement | undefined,
  nowMs: number,
): void {
  transaction
    .command('ZREM', keys.sandboxesCurrent, sandboxId)
    .command('ZADD', keys.sandboxesEnded, nowMs, sandboxId)
    .command('ZREMRANGEBYSCORE', keys.sandboxesEnded, '-inf', nowMs - RETENTION_MS)
    .command('PEXPIRE', keys.sandbox(sandboxId), RETENTION_MS);
  for (const id of placement ? [placement.guestId, placement.nativeId] : []) {
    transaction.command('PEXPIRE', keys.native(id), RETENTION_MS);
  }
}
