/** What exists before the first clone: a VM's template, or a container's. */
export type SimulatedTemplate = SimulatedVmTemplate | SimulatedCtTemplate;

/** `tags`, `description`, `protection` and `onboot` are inherited by clones. */
interface AnyTemplate {
  readonly vmid: number;
  readonly name: string;
  readonly cores: number;
  readonly memoryMib: number;
  readonly diskGib: number;
  /** Default: the first node. Clones of it can be made there only: every storage is local. */
  readonly node?: string;
  readonly tags?: string;
  readonly description?: string;
  readonly protection?: boolean;
  readonly onboot?: boolean;
}

export interface SimulatedVmTemplate extends AnyTemplate {
  readonly kind?: 'qemu';
  /** Whether the guest agent is configured. Default true. */
  readonly agent?: boolean;
}

export interface SimulatedCtTemplate extends AnyTemplate {
  readonly kind: 'lxc';
  /** Default 512. */
  readonly swapMib?: number;
  /** Default true. */
  readonly unprivileged?: boolean;
  /** For example `nesting=1`. Clones inherit it; no token may change more of it than nesting. */
  readonly features?: string;
  /** A volume such as `local:snippets/hook.sh`. Clones inherit it; no token may set it. */
  readonly hookscript?: string;
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
  /** The same as `cloneMs` and `startMs`, of containers. */
  readonly ctCloneMs: number;
  readonly ctStartMs: number;
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
  /** How long the last figures of an offline node are kept before its guests read `unknown` (Proxmox: 5 min). */
  readonly statsKeptMs: number;
  /** From a start until the guest has touched all its memory; only then can the node's run out. */
  readonly memoryFillMs: number;
  /** From a wish to the HA manager until it acts. */
  readonly haReactionMs: number;
  /** How long pveproxy waits for a node before it answers 596 (Proxmox: 30 s). The work goes on. */
  readonly proxyTimeoutMs: number;
}

export const DEFAULT_PVE_LATENCY: PveLatency = {
  cloneMs: 1500,
  startMs: 2500,
  suspendMs: 6000,
  resumeMs: 3000,
  stopMs: 500,
  shutdownMs: 1500,
  destroyMs: 500,
  ctCloneMs: 1000,
  ctStartMs: 300,
  servicesMs: 1000,
  forkMs: 20,
  flockWaitMs: 10_000,
  cloneFlockWaitMs: 1000,
  agentWaitMs: 3000,
  authFailureMs: 0,
  statsLagMs: 0,
  statsKeptMs: 300_000,
  memoryFillMs: 2000,
  haReactionMs: 5000,
  proxyTimeoutMs: 30_000,
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
  /** Per node; default 128 GiB. Starts beyond it are *not* refused: Proxmox overcommits, and the OOM killer comes. */
  readonly nodeMemoryMib?: PerNode;
  /** Per node; default 32. */
  readonly nodeCores?: number;
  /** Size of `local-lvm` on each node; default 1024. A memory image that does not fit fails its suspend. */
  readonly storageGib?: PerNode;
  /**
   * Requests that a node's pvedaemon works on at a time; more of them wait (Proxmox: 3). Default: any number, so that
   * the demo does not wait for itself.
   */
  readonly requestWorkers?: number;
  /** HTTPS: `true` with a certificate made at the start, for this host; or with a given one (PEM). Default: HTTP. */
  readonly tls?: boolean | { readonly key: string; readonly cert: string };
}

/** One figure for every node, or one for each; nodes left out have the default. */
export type PerNode = number | Readonly<Record<string, number>>;
