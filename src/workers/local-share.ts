/** What one process may have at work of the kinds that share. */
export interface LocalShare {
  /** False when the share is taken. */
  take(): boolean;
  giveBack(): void;
}

export function createLocalShare(limit: number): LocalShare {
  let taken = 0;
  return {
    take() {
      if (taken >= limit) return false;
      taken += 1;
      return true;
    },
    giveBack() {
      taken -= 1;
    },
  };
}
