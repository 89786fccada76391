/** What Redis says of itself, and what follows from it. */
export interface StoreMemory {
  readonly usedBytes: number;
  /** 0: no bound, so that the machine's memory is one. */
  readonly maxBytes: number;
  /** What Redis does when the bound is reached. */
  readonly policy: string;
}

/**
 * From here on nothing new is taken in. What is left is for the operations that make room: a pause and a destroy
 * write some kilobytes each, and a full Redis would refuse them too.
 */
export const FULL_SHARE = 0.8;

export function usedShare({ usedBytes, maxBytes }: StoreMemory): number {
  return maxBytes === 0 ? 0 : usedBytes / maxBytes;
}

export function isStoreFull(memory: StoreMemory): boolean {
  return usedShare(memory) >= FULL_SHARE;
}
