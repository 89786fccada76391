/** What exists before the first clone. `tags`, `description`, `protection` and `onboot` are inherited by clones. */
export interface SimulatedTemplate {
  readonly vmid: number;
  readonly name: string;
  readonly cores: number;
  readonly memoryMib: number;
  readonly diskGib: number;
  /** Default: the first node. */
  readonly node?: string;
  readonly tags?: string;
  readonly description?: string;
  readonly protection?: boolean;
  readonly onboot?: boolean;
  /** Whether the guest agent is configured. Default true. */
  readonly agent?: boolean;
}

/** How long simulated things take. All in milliseconds; the defaults are the demo's. */
export interface PveLatency {
  readonly cloneMs: number;
  readonly startMs: number;
  readonly suspendMs: number;
  readonly resumeMs: number;
  readonly stopMs: number;
  readonly shutdownMs: number;
  readonly destroyMs: number;
  /** From a boot until the guest's services and its agent answer. */
  readonly servicesMs: number;
  /** From the reply with the UPID until the worker acts; in between a clone's target does not exist. */
  readonly forkMs: number;
  /** How long a call waits for a guest's file lock (Proxmox: 10 s). */
  readonly flockWaitMs: number;
  /** The same for the locks a clone takes (Proxmox: 1 s). */
  readonly cloneFlockWaitMs: number;
  /** How long an agent call waits for a silent agent (Proxmox: 3 s). */
  readonly agentWaitMs: number;
  /** Proxmox delays a 401 by 3 s. */
  readonly authFailureMs: number;
  /** Age that status and name may have in cluster/resources (Proxmox: pvestatd, about 10 s). */
  readonly statsLagMs: number;
}

export const DEFAULT_PVE_LATENCY: PveLatency = {
  cloneMs: 1500,
  startMs: 2500,
  suspendMs: 6000,
  resumeMs: 3000,
  stopMs: 500,
  shutdownMs: 1500,
  destroyMs: 500,
  servicesMs: 1000,
  forkMs: 20,
  flockWaitMs: 10_000,
  cloneFlockWaitMs: 1000,
  agentWaitMs: 3000,
  authFailureMs: 0,
  statsLagMs: 0,
};

export interface PveOptions {
  /** `user@realm!name=secret`. */
  readonly token: string;
  /** Default `['pve1']`. */
  readonly nodes?: readonly string[];
  readonly templates: readonly SimulatedTemplate[];
  readonly latency?: Partial<PveLatency>;
  /** Default: a free one. */
  readonly port?: number;
  /** Default `9.2.3`. With `8.…` privileges and wordings are those of Proxmox VE 8. */
  readonly version?: string;
  readonly pools?: readonly string[];
  /**
   * What the token may do, path by path; the nearest ancestor with an entry decides. Default: everything on `/`.
   */
  readonly acl?: Readonly<Record<string, readonly string[]>>;
  /** Per node; default 128 GiB. Starts beyond it are *not* refused: Proxmox overcommits. */
  readonly nodeMemoryMib?: number;
  /** Per node; default 32. */
  readonly nodeCores?: number;
  /** Size of `local-lvm` on each node; default 1024. A memory image that does not fit fails its suspend. */
  readonly storageGib?: number;
}
