/** What the ledger hears of guests, in the transactions that change them. */
import type { Guest } from '../core/guest.ts';
import { accountOf, type BillingChange, type BillingInstant, type LedgerAccount } from '../core/ledger.ts';
import type { BillingState } from '../core/price-book.ts';
import type { SandboxState } from '../core/sandbox.ts';
import type { GuestFate } from './guest-fate.ts';
import type { Keys } from './keys.ts';
import { encodeAccount } from './ledger-encoding.ts';
import type { Transaction } from './transaction.ts';

/** Moves a guest to another billing state, or ends its billing. Whatever is told again changes nothing. */
export function bill(
  transaction: Transaction,
  keys: Keys,
  account: LedgerAccount,
  { state, atMs, evidence }: BillingChange,
): void {
  const { open, journal } = keys.ledger;
  transaction.bill(
    [open, journal, keys.guest(account.guestId)],
    [account.guestId, state, Math.round(atMs), evidence, encodeAccount(account)],
  );
}

/** By what its sandbox is settled as. A stuck one stays as it was, unless it was seen to be off. */
export function billSandboxState(
  transaction: Transaction,
  keys: Keys,
  guest: Guest | undefined,
  {
    sandbox,
    since,
    isOff,
  }: {
    readonly sandbox?: SettledSandbox;
    readonly since?: BillingInstant;
    readonly isOff?: boolean;
  },
  nowMs: number,
): void {
  const state = sandbox && billedStateOf(sandbox, isOff);
  if (guest === undefined || state === undefined) return;
  bill(transaction, keys, accountOf(guest), { state, ...(since ?? atClock(nowMs)) });
}

interface SettledSandbox {
  readonly state: SandboxState;
  readonly preservesRam?: boolean;
}

function billedStateOf({ state, preservesRam }: SettledSandbox, isOff = false): BillingState | undefined {
  switch (state) {
    case 'running':
      return 'running';
    case 'paused':
      return preservesRam ? 'paused' : 'stored';
    case 'stuck':
      return isOff ? 'stored' : undefined;
    default:
      return undefined;
  }
}

/**
 * A stuck guest costs what its disk does once it was seen to be off. A condemned one that was never seen counts from
 * when its create was let go: until then it cannot exist.
 */
export function billFate(
  transaction: Transaction,
  keys: Keys,
  guest: Guest | undefined,
  fate: GuestFate,
  when: {
    readonly nowMs: number;
    readonly since?: BillingInstant;
    readonly neverExisted?: boolean;
    readonly isOff?: boolean;
  },
): void {
  if (guest === undefined) return;
  const account = accountOf(guest);
  if (fate === 'condemn') {
    const atMs = guest.ref ? when.nowMs : (guest.sentAtMs ?? when.nowMs);
    bill(transaction, keys, account, { state: 'condemned', ...atClock(atMs) });
  } else if (fate === 'stuck' && when.isOff) {
    bill(transaction, keys, account, { state: 'stored', ...atClock(when.nowMs) });
  } else if (fate === 'gone' || fate === 'carry_unsent') {
    const state = when.neverExisted ? 'void' : 'ended';
    bill(transaction, keys, account, { state, ...(when.since ?? atClock(when.nowMs)) });
  }
}

function atClock(atMs: number): BillingInstant {
  return { atMs, evidence: 'clock' };
}
