import type { AlertSink } from '../../core/alert.ts';
import type { MemoryReserves } from '../../core/placement.ts';
import type { CapacityBook, Permits, VmidPool } from '../../core/ports.ts';
import type { HttpClient } from '../http-client.ts';
import type { ServicePort } from '../service-ports.ts';
import { createPveApi, type PveApi } from './pve-api.ts';
import type { FirstBootOptions } from './pve-first-boot.ts';
import { createPveTasks, type PveTasks } from './pve-tasks.ts';
import { createTemplateRotation, type TemplateRotation } from './pve-template-rotation.ts';

/** In what Proxmox's two kinds of guests differ on the wire. */
export interface PveKind {
  readonly provider: 'pve-vm' | 'pve-lxc';
  readonly guestIdPrefix: string;
  /** The path segment and resource type. */
  readonly path: 'qemu' | 'lxc';
  /** The parameter of a clone that names the new guest. */
  readonly nameParameter: 'name' | 'hostname';
  /** Task types: `qmclone`, `vzclone`, … */
  readonly taskPrefix: 'qm' | 'vz';
  /** The command on the host that frees a lock. */
  readonly command: 'qm' | 'pct';
}

export const VM_KIND: PveKind = {
  provider: 'pve-vm',
  guestIdPrefix: 'pvevm-',
  path: 'qemu',
  nameParameter: 'name',
  taskPrefix: 'qm',
  command: 'qm',
};

export const CONTAINER_KIND: PveKind = {
  provider: 'pve-lxc',
  guestIdPrefix: 'pvelxc-',
  path: 'lxc',
  nameParameter: 'hostname',
  taskPrefix: 'vz',
  command: 'pct',
};

export interface PveDeps {
  /** Made by `createPveHttpClient`; shared by both kinds on one endpoint. */
  readonly http: HttpClient;
  readonly vmids: VmidPool;
  readonly permits: Permits;
  readonly capacityBook: CapacityBook;
  readonly alerts: AlertSink;
}

export interface PveOptions {
  /** PVE_NODE: one or several. Absent: every node of the cluster. */
  readonly nodes?: readonly string[];
  /** Nodes that get no new guests. */
  readonly cordonedNodes?: readonly string[];
  /** Default: 2 GiB for the host and a tenth of the node for resumes. */
  readonly reserves?: MemoryReserves;
  /** What fails together with it: names the endpoint. */
  readonly failureDomain: string;
  readonly simulated: boolean;
  readonly deployment: string;
  readonly servicePorts?: readonly ServicePort[];
  /** `{port}` and `{guest}` are replaced: `https://port-{port}-{guest}.example.com`. Without it, by address. */
  readonly endpointUrlTemplate?: string;
  /** What is written into a guest before its first boot, besides size and tags. */
  readonly firstBoot?: FirstBootOptions;
  readonly requestTimeoutMs?: number;
  /** How long a clone may take before `bringUp` gives up waiting with `still_creating`. */
  readonly cloneTimeoutMs?: number;
  /** How long a booted guest may take to tell its address. */
  readonly addressTimeoutMs?: number;
  /** How long a container may take to shut down before it is stopped. Default 60 s, Proxmox's own. */
  readonly shutdownTimeoutMs?: number;
  /** Whether the clock of a VM is set when it wakes, by `date` through its agent. */
  readonly setClock?: boolean;
  /** How long reading and setting it may take, all together. Default 10 s. */
  readonly clockTimeoutMs?: number;
  /** What guests' clocks are held against. Default: the clock of this process. */
  readonly nowMs?: () => number;
  /** For tests: a permit is doubted, and a lock on a template stuck, after these. */
  readonly patience?: { readonly permitLeaseMs: number; readonly templateLockMs: number };
}

/** What the parts of a driver share. */
export interface PveContext {
  readonly kind: PveKind;
  readonly options: PveOptions;
  readonly api: PveApi;
  readonly tasks: PveTasks;
  readonly vmids: VmidPool;
  readonly permits: Permits;
  readonly capacityBook: CapacityBook;
  readonly reserves: MemoryReserves;
  readonly templates: TemplateRotation;
}

/** As cmux's clone proxy: a full copy on a slow storage ends within it. */
const CLONE_TIMEOUT_MS = 15 * 60_000;

/** 2 GiB is what a Proxmox host with its daemons and some page cache needs; a tenth brings back one in ten. */
export const DEFAULT_RESERVES: MemoryReserves = { hostMib: 2048, resumeShare: 0.1 };

export function cloneTimeoutOf({
  cloneTimeoutMs = CLONE_TIMEOUT_MS,
}: Pick<PveOptions, 'cloneTimeoutMs'>): number {
  return cloneTimeoutMs;
}

export function createPveContext(kind: PveKind, deps: PveDeps, options: PveOptions): PveContext {
  const { provider, command } = kind;
  const timeout =
    options.requestTimeoutMs === undefined ? {} : { requestTimeoutMs: options.requestTimeoutMs };
  const api = createPveApi(deps.http, { provider, ...timeout });
  return {
    kind,
    options,
    api,
    tasks: createPveTasks(api, { provider, cloneTimeoutMs: cloneTimeoutOf(options) }),
    vmids: deps.vmids,
    permits: deps.permits,
    capacityBook: deps.capacityBook,
    reserves: options.reserves ?? DEFAULT_RESERVES,
    templates: createTemplateRotation(deps.alerts, command, options.patience?.templateLockMs),
  };
}
