/** The ports that drivers need, kept in this process: what the Redis side promises, without a Redis. */
import type { CapacityBook, MemoryReservation, Permits, PermitWant } from '../../src/core/ports.ts';

interface Holding {
  sinceMs: number;
  note?: string;
}

export interface InMemoryPermits extends Permits {
  /** Who holds what, as `name holder`. */
  readonly held: () => readonly string[];
  /** The start of this holder is over, and nothing was sent for it. */
  readonly end: (holder: string) => void;
  /** As its operation has succeeded. */
  readonly succeed: (holder: string) => void;
  /** A holder that nobody will hear of again. */
  readonly plant: (holder: string, name: string, note?: string) => void;
  /** As if it had been held for so much longer. */
  readonly age: (holder: string, name: string, ms: number) => void;
}

export function createInMemoryPermits(): InMemoryPermits {
  const holders = new Map<string, Map<string, Holding>>();
  const lines = new Map<string, string[]>();
  const over = new Set<string>();
  const done = new Set<string>();
  const holdersOf = (name: string) => {
    const found = holders.get(name) ?? new Map<string, Holding>();
    holders.set(name, found);
    return found;
  };
  const lineOf = (name: string) => {
    const found = lines.get(name) ?? [];
    lines.set(name, found);
    return found;
  };
  const leave = (holder: string, wants: readonly PermitWant[]) => {
    for (const { name } of wants) {
      lines.set(
        name,
        lineOf(name).filter((waiter) => waiter !== holder),
      );
    }
  };

  return {
    async take(holder, wants) {
      const held = wants.find(({ name }) => holdersOf(name).has(holder));
      if (held !== undefined) return { granted: true, name: held.name };
      for (const { name, limit } of wants) {
        const rank = lineOf(name).indexOf(holder);
        const inFront = rank < 0 ? lineOf(name).length : rank;
        if (inFront >= limit - holdersOf(name).size) continue;
        holdersOf(name).set(holder, { sinceMs: performance.now() });
        leave(holder, wants);
        return { granted: true, name };
      }
      for (const { name } of wants) if (!lineOf(name).includes(holder)) lineOf(name).push(holder);
      const place = Math.min(...wants.map(({ name }) => lineOf(name).indexOf(holder) + 1));
      const all = wants.flatMap(({ name }) =>
        [...holdersOf(name)].map(([who, { sinceMs, note }]) => ({ name, holder: who, sinceMs, note })),
      );
      const [oldest] = all.toSorted((a, b) => a.sinceMs - b.sinceMs);
      // Free, and somebody else's turn.
      if (oldest === undefined) {
        return { granted: false, place, oldest: { name: '', holder: '', heldForMs: 0 } };
      }
      const { sinceMs, note, ...rest } = oldest;
      const heldForMs = performance.now() - sinceMs;
      return {
        granted: false,
        place,
        oldest: { ...rest, heldForMs, ...(note === undefined ? {} : { note }) },
      };
    },
    async note(holder, name, note) {
      const holding = holdersOf(name).get(holder);
      if (holding !== undefined) holding.note = note;
    },
    isOver: async (holder) => over.has(holder),
    isDone: async (holder) => done.has(holder),
    async release(holder, name) {
      holdersOf(name).delete(holder);
    },
    held: () => [...holders].flatMap(([name, of]) => [...of.keys()].map((holder) => `${name} ${holder}`)),
    end: (holder) => over.add(holder),
    succeed: (holder) => done.add(holder),
    age: (holder, name, ms) => {
      const holding = holdersOf(name).get(holder);
      if (holding !== undefined) holding.sinceMs -= ms;
    },
    plant: (holder, name, note) => {
      holdersOf(name).set(holder, { sinceMs: performance.now(), ...(note === undefined ? {} : { note }) });
    },
  };
}

export interface InMemoryCapacityBook extends CapacityBook {
  readonly all: () => readonly MemoryReservation[];
}

export function createInMemoryCapacityBook(): InMemoryCapacityBook {
  const books = new Map<string, Map<string, MemoryReservation>>();
  const bookOf = (domain: string) => {
    const found = books.get(domain) ?? new Map<string, MemoryReservation>();
    books.set(domain, found);
    return found;
  };
  return {
    async reservations(domain) {
      return [...bookOf(domain).values()];
    },
    async reserve(domain, wanted, { limitMib, othersMib }) {
      const book = bookOf(domain);
      if (book.get(wanted.guestId)?.node === wanted.node) return true;
      const reserved = [...book.values()]
        .filter(({ node, guestId }) => node === wanted.node && guestId !== wanted.guestId)
        .reduce((sum, { memoryMib }) => sum + memoryMib, 0);
      if (reserved + othersMib + wanted.memoryMib > limitMib) return false;
      book.set(wanted.guestId, wanted);
      return true;
    },
    async release(domain, guestId) {
      bookOf(domain).delete(guestId);
    },
    all: () => [...books.values()].flatMap((book) => [...book.values()]),
  };
}
