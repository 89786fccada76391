/** What fits on a provider's machines; published for pages and metrics. */
export interface CapacityReport {
  readonly nodes: readonly {
    readonly node: string;
    readonly online: boolean;
    readonly cordoned: boolean;
    readonly memoryMib: number;
    /** Running guests of anybody, with what ours are entitled to. */
    readonly usedMib: number;
    /** Kept free for the host and for resumes. */
    readonly reservedMib: number;
  }[];
  readonly storages: readonly {
    readonly node: string;
    readonly storage: string;
    readonly totalMib: number;
    readonly usedMib: number;
  }[];
}
