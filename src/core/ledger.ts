/**
 * The ledger: for every guest one chain of intervals without overlap, each in one billing state. A change closes
 * the open interval and opens the next one at the same instant. What comes twice changes nothing; what comes
 * late counts from when the ledger last knew the guest, so that no instant is ever billed twice.
 *
 * `scripts/record-interval.lua` carries out `changeBilling` in the transaction that changes the guest.
 */
import { type Day, splitByDay } from './day.ts';
import { add, type Exact, scale, ZERO } from './exact.ts';
import type { Guest } from './guest.ts';
import {
  type BilledSize,
  type BillingState,
  mcuPriceOn,
  mcuRatePerMs,
  nodePriceOn,
  nodeRatePerMs,
  PRICED_BY,
  type PriceBook,
} from './price-book.ts';
import type { ProviderName } from './provider-name.ts';

/** Who a guest's cost belongs to. Never changes during its life. */
export interface LedgerAccount {
  readonly guestId: string;
  readonly sandboxId: string;
  readonly provider: ProviderName;
  readonly failureDomain: string;
  readonly node?: string;
  readonly teamId?: string;
  readonly userId?: string;
  readonly preset?: string;
  /** The provider that its start was meant for, where it fell back from there. */
  readonly meantFor?: ProviderName;
  readonly size: BilledSize;
}

/** Whose clock says when something happened: the provider's own record of it, or ours when we saw it. */
export type TimeEvidence = 'provider' | 'clock';

export interface BillingInstant {
  readonly atMs: number;
  readonly evidence: TimeEvidence;
}

export interface OpenInterval {
  readonly account: LedgerAccount;
  readonly state: BillingState;
  readonly fromMs: number;
  readonly fromEvidence: TimeEvidence;
}

/** One closed interval of one guest in one state. */
export interface LedgerEntry extends OpenInterval {
  readonly toMs: number;
  readonly toEvidence: TimeEvidence;
}

/**
 * What the provider says, where it can be true: not before we asked (its clock may be in whole seconds), and not
 * later than now. Within its second, not before we asked. A provider whose clock is wrong must not bill hours that never were.
 */
export function credibleInstant(
  saidMs: number | undefined,
  { askedAtMs, nowMs, otherwiseMs }: Readonly<Record<'askedAtMs' | 'nowMs' | 'otherwiseMs', number>>,
): BillingInstant {
  const isCredible = saidMs !== undefined && saidMs > askedAtMs - 1_000 && saidMs <= nowMs;
  return isCredible
    ? { atMs: Math.max(saidMs, askedAtMs), evidence: 'provider' }
    : { atMs: otherwiseMs, evidence: 'clock' };
}

/** `ended`: gone at the provider. `void`: it turned out that the guest never existed. */
export type BillingChange = BillingInstant & { readonly state: BillingState | 'ended' | 'void' };

/** Who answers for a guest's cost, by its record. */
export function accountOf({
  id,
  sandboxId,
  provider,
  intent,
  ref,
  billedSize,
  meantFor,
}: Guest): LedgerAccount {
  const { marker, size } = intent;
  const optional = {
    node: ref?.node ?? intent.node,
    teamId: marker.team,
    userId: marker.user,
    preset: marker.preset,
    meantFor,
  };
  return {
    guestId: id,
    sandboxId,
    provider,
    failureDomain: intent.failureDomain,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
    size: billedSize ?? {
      vcpus: size?.vcpus ?? 0,
      memoryMib: size?.memoryMib ?? intent.memoryMib ?? 0,
      diskGib: size?.diskGib ?? 0,
    },
  };
}

/**
 * What a guest costs from its creation on: a Morph instance runs at once, a clone on Proxmox is a disk until it
 * boots.
 */
export function stateAtCreation(provider: ProviderName): BillingState {
  return PRICED_BY[provider] === 'mcu' ? 'running' : 'stored';
}

/** A guest's intervals do not overlap, so guest and beginning name one. */
export function entryId({ account, fromMs }: OpenInterval): string {
  return `${account.guestId}@${fromMs}`;
}

/** What a change does to a guest's open interval. */
export function changeBilling(
  account: LedgerAccount,
  open: OpenInterval | undefined,
  change: BillingChange,
): { readonly closed?: LedgerEntry; readonly open?: OpenInterval } {
  if (change.state === 'void') return {};
  if (open?.state === change.state) return { open };
  const atMs = Math.max(change.atMs, open?.fromMs ?? change.atMs);
  const closed: LedgerEntry | undefined =
    open && atMs > open.fromMs ? { ...open, toMs: atMs, toEvidence: change.evidence } : undefined;
  const next: OpenInterval | undefined =
    change.state === 'ended'
      ? undefined
      : {
          account: open?.account ?? account,
          state: change.state,
          fromMs: atMs,
          fromEvidence: change.evidence,
        };
  return { ...(closed ? { closed } : {}), ...(next ? { open: next } : {}) };
}

/** The open interval as if it closed at `nowMs`; `undefined` while it is empty. */
export function accrue(open: OpenInterval, nowMs: number): LedgerEntry | undefined {
  return nowMs > open.fromMs ? { ...open, toMs: nowMs, toEvidence: 'clock' } : undefined;
}

/** Each entry once, however often it was told. */
export function distinctEntries(entries: Iterable<LedgerEntry>): readonly LedgerEntry[] {
  const byId = new Map<string, LedgerEntry>();
  for (const entry of entries) {
    const id = entryId(entry);
    if (!byId.has(id)) byId.set(id, entry);
  }
  return [...byId.values()];
}

/** What one millisecond of a guest costs on a day; `undefined`: the book has no price for it. */
export function ratePerMs(
  book: PriceBook,
  account: Pick<LedgerAccount, 'provider' | 'failureDomain' | 'node' | 'size'>,
  state: BillingState,
  day: Day,
): Exact | undefined {
  const { provider, failureDomain, node, size } = account;
  if (PRICED_BY[provider] === 'mcu') {
    const price = mcuPriceOn(book, day);
    return price && mcuRatePerMs(price, size, state);
  }
  const price = nodePriceOn(book, day, node, failureDomain);
  return price && nodeRatePerMs(price, day, size, state);
}

/**
 * What one entry costs by itself: exact, in US dollars. Cut at midnights, so price changes and month ends split it.
 * What the book has no price for counts nothing here; `priceUsage` names it.
 */
export function priceEntry(
  book: PriceBook,
  { account, state, fromMs, toMs }: Pick<LedgerEntry, 'account' | 'state' | 'fromMs' | 'toMs'>,
): Exact {
  let total = ZERO;
  for (const part of splitByDay(fromMs, toMs)) {
    const rate = ratePerMs(book, account, state, part.day);
    if (rate) total = add(total, scale(rate, BigInt(part.toMs - part.fromMs)));
  }
  return total;
}
