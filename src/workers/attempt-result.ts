/** What the job of the attempt is told; nothing else depends on it. */
export type AttemptResult =
  | { readonly result: 'succeeded'; readonly summary: string }
  /** Ended without success; `reason` says what followed. */
  | { readonly result: 'failed'; readonly reason: string }
  /** Nothing was done, and nothing is to be: the attempt is over or somebody else's. */
  | { readonly result: 'skipped'; readonly why: string }
  /** There is no record of its operation: it was refused, is no longer kept, or its write comes behind the job. */
  | { readonly result: 'unrecorded' }
  /** The job is to come back later; meanwhile it occupies no slot. */
  | { readonly result: 'parked'; readonly delayMs: number; readonly why: string };
