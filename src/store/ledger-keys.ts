/** The keys of the ledger; what each family holds is in `keys.ts`. */
export interface LedgerKeys {
  readonly open: string;
  readonly journal: string;
  readonly unreadable: string;
  readonly versions: string;
  readonly writer: string;
  readonly origin: string;
  /** What providers charged, by provider and day. */
  readonly billed: string;
  day(day: string): LedgerDayKeys;
}

export interface LedgerDayKeys {
  readonly usage: string;
  readonly guests: string;
  readonly accounts: string;
  readonly pieces: string;
}

export function createLedgerKeys(ledger: string): LedgerKeys {
  return {
    open: `${ledger}:open`,
    journal: `${ledger}:journal`,
    unreadable: `${ledger}:unreadable`,
    versions: `${ledger}:versions`,
    writer: `${ledger}:writer`,
    origin: `${ledger}:origin`,
    billed: `${ledger}:billed`,
    day: (day) => {
      const prefix = `${ledger}:day:${day}`;
      return {
        usage: `${prefix}:usage`,
        guests: `${prefix}:guests`,
        accounts: `${prefix}:accounts`,
        pieces: `${prefix}:pieces`,
      };
    },
  };
}
