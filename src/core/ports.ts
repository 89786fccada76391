/**
 * Small interfaces that `core` and the drivers need and lower layers fill. Drivers get them injected and
 * know nothing of Redis.
 */

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
}

/** What `VmidPool.reserve` throws when every id of the range is held or cooling down. */
export class VmidRangeExhausted extends Error {
  override readonly name = 'VmidRangeExhausted';
}
