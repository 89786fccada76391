/**
 * The memory of a simulated guest, as far as anyone can see it: a counter that a program inside keeps.
 * It ticks only while the guest runs, goes on after suspend and resume, and starts again at a cold boot.
 * That is how the demo and the tests *show* whether memory was kept.
 */
export interface GuestMemory {
  readonly bootCount: number;
  /** Running time since the last cold boot, up to `runningSinceMs`. */
  readonly ranMs: number;
  /** Null while the guest is frozen or off. */
  readonly runningSinceMs: number | null;
  /** Before this time the guest runs but its services do not answer yet. */
  readonly servicesUpAtMs: number;
  /** Since when it is frozen; its clock stands still from then on. */
  readonly frozenAtMs?: number;
  /** How far its clock is behind: what it slept since it was last set or booted. */
  readonly clockBehindMs?: number;
  /** What commands put into the guest's memory; absent until the first one. */
  readonly contents?: MemoryContents;
}

/** Files on a RAM disk by path, and processes that commands started. Both go with the power. */
export interface MemoryContents {
  readonly files: Readonly<Record<string, string>>;
  readonly processes: readonly GuestProcess[];
  readonly lastPid: number;
}

export interface GuestProcess {
  readonly pid: number;
  /** Running time of the guest, not wall-clock time: a process does not age while its guest is frozen. */
  readonly endsAtRanMs: number;
  readonly exitcode: number;
  readonly out: string;
  readonly err: string;
}

const TICK_MS = 100;

export const NEVER_BOOTED: GuestMemory = { bootCount: 0, ranMs: 0, runningSinceMs: null, servicesUpAtMs: 0 };

export function coldBoot(memory: GuestMemory, nowMs: number, servicesMs: number): GuestMemory {
  return {
    bootCount: memory.bootCount + 1,
    ranMs: 0,
    runningSinceMs: nowMs,
    servicesUpAtMs: nowMs + servicesMs,
  };
}

export function freeze(memory: GuestMemory, nowMs: number): GuestMemory {
  const { frozenAtMs = nowMs } = memory;
  return { ...memory, ranMs: ranMsAt(memory, nowMs), runningSinceMs: null, frozenAtMs };
}

/** The guest goes on where it was frozen, its clock too; its services had been up, so they answer at once. */
export function thaw(memory: GuestMemory, nowMs: number): GuestMemory {
  const { frozenAtMs = nowMs, clockBehindMs = 0, ...rest } = memory;
  return {
    ...rest,
    runningSinceMs: nowMs,
    servicesUpAtMs: Math.min(memory.servicesUpAtMs, nowMs),
    clockBehindMs: clockBehindMs + nowMs - frozenAtMs,
  };
}

/** Power off: what was in memory is gone. */
export function forget(memory: GuestMemory): GuestMemory {
  return { ...NEVER_BOOTED, bootCount: memory.bootCount };
}

export function counterOf(memory: GuestMemory, nowMs: number): number {
  return Math.floor(ranMsAt(memory, nowMs) / TICK_MS);
}

export function servicesAnswer(memory: GuestMemory, nowMs: number): boolean {
  return memory.runningSinceMs !== null && nowMs >= memory.servicesUpAtMs;
}

/** What a running guest takes the time to be. */
export function clockMsAt({ clockBehindMs = 0 }: GuestMemory, nowMs: number): number {
  return nowMs - clockBehindMs;
}

/** Running time since the last cold boot. */
export function ranMsAt(memory: GuestMemory, nowMs: number): number {
  return memory.ranMs + (memory.runningSinceMs === null ? 0 : Math.max(0, nowMs - memory.runningSinceMs));
}
