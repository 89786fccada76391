import type { VmidPool } from '../../core/ports.ts';
import type { ProviderName } from '../../core/provider-name.ts';
import type { HttpClient } from '../http-client.ts';
import type { ServicePort } from '../service-ports.ts';
import { createPveApi, type PveApi } from './pve-api.ts';
import { createPveTasks, type PveTasks } from './pve-tasks.ts';

/** In what Proxmox's two kinds of guests differ on the wire. */
export interface PveKind {
  readonly provider: ProviderName;
  readonly guestIdPrefix: string;
  /** The path segment and resource type. */
  readonly path: 'qemu' | 'lxc';
  /** Task types: `qmclone`, `vzclone`, … */
  readonly taskPrefix: 'qm' | 'vz';
  /** The command on the host that frees a lock. */
  readonly command: 'qm' | 'pct';
}

export const VM_KIND: PveKind = {
  provider: 'pve-vm',
  guestIdPrefix: 'pvevm-',
  path: 'qemu',
  taskPrefix: 'qm',
  command: 'qm',
};

export const CONTAINER_KIND: PveKind = {
  provider: 'pve-lxc',
  guestIdPrefix: 'pvelxc-',
  path: 'lxc',
  taskPrefix: 'vz',
  command: 'pct',
};

export interface PveDeps {
  /** Made by `createPveHttpClient`; shared by both kinds on one endpoint. */
  readonly http: HttpClient;
  readonly vmids: VmidPool;
}

export interface PveOptions {
  /** PVE_NODE: one or several. */
  readonly nodes: readonly [string, ...string[]];
  /** What fails together with it: names the endpoint. */
  readonly failureDomain: string;
  readonly simulated: boolean;
  readonly deployment: string;
  readonly servicePorts?: readonly ServicePort[];
  /** `{port}` and `{guest}` are replaced: `https://port-{port}-{guest}.example.com`. Without it, by address. */
  readonly endpointUrlTemplate?: string;
  readonly requestTimeoutMs?: number;
  /** How long a clone may take before `bringUp` gives up waiting with `still_creating`. */
  readonly cloneTimeoutMs?: number;
  /** How long a booted guest may take to tell its address through the agent. */
  readonly addressTimeoutMs?: number;
}

/** What the parts of a driver share. */
export interface PveContext {
  readonly kind: PveKind;
  readonly options: PveOptions;
  readonly api: PveApi;
  readonly tasks: PveTasks;
  readonly vmids: VmidPool;
}

/** As cmux's clone proxy: a full copy on a slow storage ends within it. */
const CLONE_TIMEOUT_MS = 15 * 60_000;

export function cloneTimeoutOf({
  cloneTimeoutMs = CLONE_TIMEOUT_MS,
}: Pick<PveOptions, 'cloneTimeoutMs'>): number {
  return cloneTimeoutMs;
}

export function createPveContext(kind: PveKind, deps: PveDeps, options: PveOptions): PveContext {
  const { provider } = kind;
  const timeout =
    options.requestTimeoutMs === undefined ? {} : { requestTimeoutMs: options.requestTimeoutMs };
  const api = createPveApi(deps.http, { provider, ...timeout });
  return {
    kind,
    options,
    api,
    tasks: createPveTasks(api, { provider, cloneTimeoutMs: cloneTimeoutOf(options) }),
    vmids: deps.vmids,
  };
}
