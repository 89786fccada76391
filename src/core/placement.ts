/**
 * Where a guest is put, on machines whose memory is ours to watch. Proxmox starts whatever it is told to and
 * overcommits, until the kernel's OOM killer takes the largest process, which is a working sandbox. So a node
 * is full when what its guests are *entitled to* reaches a limit, whatever they use at the moment.
 */

/** One machine, as it was just read. */
export interface NodeState {
  readonly node: string;
  readonly online: boolean;
  /** Taken out of placement by the operator; what runs there may be resumed there. */
  readonly cordoned: boolean;
  /** All it has; `undefined`: could not be read. */
  readonly memoryMib?: number;
  /** What running guests of anybody, and our reservations that are not running yet, are entitled to. */
  readonly usedMib: number;
}

/** What is never given to a start. */
export interface MemoryReserves {
  /** For the host itself: kernel, page cache, Proxmox's daemons. */
  readonly hostMib: number;
  /** For resumes: a part of the node's memory, from 0 to 1. Paused sandboxes can only come back where they lie. */
  readonly resumeShare: number;
}

/** One way to make the guest: a linked clone runs on its template's node. */
export interface PlacementOption {
  readonly node: string;
  readonly memoryMib: number;
}

export interface Placement<Option extends PlacementOption> {
  /** Those that fit, the emptiest node first; options of one node in the order given. */
  readonly candidates: readonly Option[];
  readonly leftOut: readonly { readonly node: string; readonly reason: string }[];
}

/** Fit first, then spread: among nodes with room the one that is least full afterwards. */
export function placeGuest<Option extends PlacementOption>(
  options: readonly Option[],
  nodes: readonly NodeState[],
  reserves: MemoryReserves,
): Placement<Option> {
  const fitting: { readonly option: Option; readonly fullness: number }[] = [];
  const reasons = new Map<string, string>();
  for (const option of options) {
    const state = nodes.find(({ node }) => node === option.node);
    const reason = reasonAgainst(option, state, reserves);
    if (reason !== undefined) reasons.set(option.node, reason);
    else fitting.push({ option, fullness: fullnessWith(option, state, reserves) });
  }
  fitting.sort((a, b) => a.fullness - b.fullness);
  const chosen = new Set(fitting.map(({ option }) => option.node));
  return {
    candidates: fitting.map(({ option }) => option),
    leftOut: [...reasons]
      .filter(([node]) => !chosen.has(node))
      .map(([node, reason]) => ({ node, reason }))
      .sort((a, b) => (a.node < b.node ? -1 : 1)),
  };
}

/** How much memory starts may fill a node with. Never below nothing. */
export function startLimitMib(memoryMib: number, { hostMib, resumeShare }: MemoryReserves): number {
  return Math.max(0, Math.floor(memoryMib - hostMib - memoryMib * resumeShare));
}

/** How much memory resumes may fill a node with: all but the host's own. */
export function resumeLimitMib(memoryMib: number, { hostMib }: MemoryReserves): number {
  return Math.max(0, Math.floor(memoryMib - hostMib));
}

function reasonAgainst(
  option: PlacementOption,
  state: NodeState | undefined,
  reserves: MemoryReserves,
): string | undefined {
  if (state === undefined) return 'it is not among the nodes in use';
  if (!state.online) return 'it is offline';
  if (state.cordoned) return 'it is cordoned';
  if (state.memoryMib === undefined) return 'its memory cannot be read';
  const freeMib = startLimitMib(state.memoryMib, reserves) - state.usedMib;
  if (option.memoryMib <= freeMib) return undefined;
  return `${Math.max(0, freeMib)} MiB are left for starts and ${option.memoryMib} MiB are needed`;
}

function fullnessWith(
  option: PlacementOption,
  state: NodeState | undefined,
  reserves: MemoryReserves,
): number {
  const limitMib = startLimitMib(state?.memoryMib ?? 0, reserves);
  return ((state?.usedMib ?? 0) + option.memoryMib) / Math.max(1, limitMib);
}
