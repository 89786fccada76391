/**
 * Usage by sandbox, in columns: a busy month has half a million rows, and an object for each would take longer to make,
 * and to price, than anybody waits.
 */
import type { UsageRow } from './usage.ts';

/** What rows have in common that differ in sandbox and time alone. */
export type UsageKind = Omit<UsageRow, 'ms' | 'sandboxId'>;

/** One row at each index; never changed once it is made. */
export interface UsageColumns {
  readonly kinds: readonly UsageKind[];
  /** Which of `kinds`. */
  readonly kind: Uint32Array;
  /** Which of the `sandboxIds` of the whole. */
  readonly sandbox: Uint32Array;
  readonly ms: Float64Array;
}

export interface SandboxUsage {
  /** May name others, too. */
  readonly sandboxIds: readonly string[];
  readonly tables: readonly UsageColumns[];
}

/** One row for all sandboxes that differ in nothing else. */
export function rowsByKind(columns: UsageColumns): readonly UsageRow[] {
  return sumByKind(columns).filter(({ ms }) => ms > 0);
}

/** The same for every kind, in their order, of which none may be there. */
export function sumByKind({ kinds, kind, ms }: UsageColumns): readonly UsageRow[] {
  const sums = new Float64Array(kinds.length);
  for (let row = 0; row < kind.length; row += 1) {
    const of = kind[row] as number;
    sums[of] = (sums[of] as number) + (ms[row] as number);
  }
  return kinds.map((each, index) => ({ ...each, ms: sums[index] as number }));
}

/** An object for each row: for few. */
export function rowsBySandbox({ sandboxIds, tables }: SandboxUsage): readonly UsageRow[] {
  return tables.flatMap(({ kinds, kind, sandbox, ms }) =>
    Array.from(kind, (of, row) => ({
      ...(kinds[of] as UsageKind),
      sandboxId: sandboxIds[sandbox[row] as number] as string,
      ms: ms[row] as number,
    })),
  );
}
