/** A snapshot that instances start from. */
export interface SimulatedSnapshot {
  readonly id: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskMib: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** How long simulated things take, in milliseconds; the defaults are the demo's. */
export interface MorphLatency {
  readonly startMs: number;
  readonly pauseMs: number;
  readonly resumeMs: number;
  /** From `ready` after a start until services answer; after a resume they answer at once. */
  readonly servicesMs: number;
  /** How late an expired TTL is acted on. Morph itself: seconds to tens of seconds. */
  readonly ttlLagMs: number;
}

export const DEFAULT_MORPH_LATENCY: MorphLatency = {
  startMs: 2000,
  pauseMs: 3000,
  resumeMs: 1000,
  servicesMs: 1000,
  ttlLagMs: 500,
};

export interface MorphOptions {
  readonly apiKey: string;
  readonly snapshots: readonly SimulatedSnapshot[];
  readonly latency?: Partial<MorphLatency>;
  /** Default: a free one. */
  readonly port?: number;
}
