/**
 * Small interfaces that `core` and the drivers need and lower layers fill. Drivers get them injected and
 * know nothing of Redis.
 */
import type { ProviderName } from './provider-name.ts';

/** VMIDs of our own range, each handed to one guest at a time. */
export interface VmidPool {
  /**
   * Reserves the next id for this guest; a guest that has one gets the same again. The caller still asks
   * the cluster whether it is free, and calls `reject` if not.
   * @throws when the range has none left.
   */
  reserve(guestId: string): Promise<number>;
  /** Gives an id back that somebody else was found to hold; it is not offered again for the cool-down. */
  reject(guestId: string, vmid: number): Promise<void>;
  /** Gives back the id of a guest whose intent will not be recorded, so that nothing was asked for under it. */
  giveBack(guestId: string): Promise<void>;
}

/** What `VmidPool.reserve` throws when every id of the range is held or cooling down. */
export class VmidRangeExhausted extends Error {
  override readonly name = 'VmidRangeExhausted';
}

/** One scarce thing: a template that is cloned one at a time, a storage that writes two memory images at most. */
export interface PermitWant {
  /** Unique in the deployment; begins with the failure domain it belongs to. */
  readonly name: string;
  /** How many may hold it at once. */
  readonly limit: number;
}

export type PermitAnswer =
  | { readonly granted: true; readonly name: string }
  /** In line now, for each of the alternatives. `oldest`: who has held one of them longest. */
  | { readonly granted: false; readonly place: number; readonly oldest: PermitHolding };

export interface PermitHolding {
  readonly name: string;
  readonly holder: string;
  readonly heldForMs: number;
  /** What the holder noted about its use, such as a UPID. */
  readonly note?: string;
}

/**
 * Bounded rights, held by operations and kept in Redis, so that they survive their holders. Whoever waits
 * parks its job and is woken when its turn comes; nobody may overtake.
 */
export interface Permits {
  /** Takes one of the alternatives. A holder of one gets the same again. May be called any number of times. */
  take(holder: string, alternatives: readonly PermitWant[]): Promise<PermitAnswer>;
  /** Notes what the permit is used for, for whoever has to judge whether it is still in use. */
  note(holder: string, name: string, note: string): Promise<void>;
  /**
   * Whether nothing runs, or is going to be sent, under a turn to clone that this holder has at this provider
   * (`core/turn-over.ts`). False when it is not known. Not to be asked of a permit that several providers share.
   */
  isOver(holder: string, provider: ProviderName): Promise<boolean>;
  /**
   * Whether this holder has succeeded, so that nothing of it runs under any permit. One that died while a task of its
   * own ran leaves such a permit: who carries it on finds the task done, and never asks for the permit again.
   */
  isDone(holder: string): Promise<boolean>;
  /** Gives a permit back and hands it to the next in line. Not holding it: nothing happens. */
  release(holder: string, name: string): Promise<void>;
}

/** Memory that a guest is entitled to on a node while it runs. */
export interface MemoryReservation {
  readonly guestId: string;
  readonly node: string;
  readonly vmid: number;
  readonly memoryMib: number;
}

export interface CapacityBook {
  /** What our guests are entitled to now, in this failure domain. */
  reservations(failureDomain: string): Promise<readonly MemoryReservation[]>;
  /**
   * Reserves if the node's reservations, this one and `othersMib` together stay within `limitMib`; atomically,
   * so that two starts never share the last place. Tentative for ten minutes, until the intent is recorded or
   * the resume settles. A guest that has a reservation on that node keeps it.
   */
  reserve(
    failureDomain: string,
    wanted: MemoryReservation,
    room: { readonly limitMib: number; readonly othersMib: number },
  ): Promise<boolean>;
  /** Drops a tentative reservation whose intent will not be recorded; a firm one stays. */
  release(failureDomain: string, guestId: string): Promise<void>;
}
