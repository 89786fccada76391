/**
 * A sandbox in the shape of cmux's `SandboxInstance` (apps/www/lib/utils/sandbox-instance.ts), so that code
 * written for `wrapMorphInstance` and `wrapPveLxcInstance` runs on either provider without knowing which.
 */
import type { LifecycleClient } from '../../core/client.ts';
import type { SandboxState } from '../../core/sandbox.ts';
import type { SandboxView } from '../../core/views.ts';
import { type DirectCalls, type ExecOptions, type ExecResult, UnsupportedCallError } from './direct-calls.ts';

export interface HttpService {
  readonly name: string;
  readonly port: number;
  readonly url: string;
}

/**
 * cmux's words: `pending`, `ready`, `saving`, `paused` and `error` are Morph's, which cmux compares with;
 * `stopping` is a destroy under way, `gone` a sandbox that has ended.
 */
export type CmuxStatus = 'pending' | 'ready' | 'saving' | 'paused' | 'stopping' | 'error' | 'gone';

/** `status`, `metadata` and `networking` are as of the last call of this object that asked the service. */
export interface CmuxSandboxInstance {
  /**
   * The id that cmux's routers know: `morphvm_…`, `pvevm-…` or `pvelxc-…`. Every method of the service takes
   * it, too. A sandbox that never had a guest has ours.
   */
  readonly id: string;
  /** Ours, the same before and after a fallback. */
  readonly sandboxId: string;
  readonly provider: SandboxView['provider'];
  readonly status: CmuxStatus;
  /** What was passed at the start, with `teamId`, `userId` and `taskRunId` where they were given apart. */
  readonly metadata: Readonly<Record<string, string | undefined>>;
  readonly networking: { readonly httpServices: readonly HttpService[] };
  /** Goes through `direct.exec`: the service carries no data. On Morph it may wake a paused sandbox. */
  exec(command: string, options?: ExecOptions): Promise<ExecResult>;
  /** Destroys, on every provider. (cmux's `stop` deleted on Morph and shut down on Proxmox.) Twice is fine. */
  stop(): Promise<void>;
  /** Suspends with memory. Where the provider cannot, it throws `ram_snapshot_unsupported` and changes nothing. */
  pause(): Promise<void>;
  /** Resolves once its services answer. Throws `memory_lost` when promised memory is gone. */
  resume(): Promise<void>;
  /** Resolves where it is exposed so already; else goes through `direct.exposeHttpService`. */
  exposeHttpService(name: string, port: number): Promise<void>;
  hideHttpService(name: string): Promise<void>;
  /** Somebody uses it now: it is not paused for being idle before its time. Wakes nothing. */
  heartbeat(): Promise<void>;
  /** Its time to live begins anew. (cmux's Morph TTL ran by the wall clock, whatever went on inside.) */
  extendTtl(ttlSeconds: number): Promise<void>;
  /**
   * Nothing wakes by itself unless the deployment wants it (`MORPH_WAKE_ON`): `(false, false)` is so already, else
   * `direct.setWakeOn`. What differs from the deployment's setting is set back by it within minutes.
   */
  setWakeOn(http: boolean, ssh: boolean): Promise<void>;
}

export interface CmuxInstanceOptions {
  readonly direct?: DirectCalls;
  /** Ports by service name, where the installation has others than cmux's. */
  readonly ports?: Readonly<Record<string, number>>;
  /** Pause sandboxes that cannot keep memory (containers) by shutting them down. Default false: refuse. */
  readonly pauseWithoutMemory?: boolean;
  /** How long a call waits for its operation. Default 90 s. */
  readonly timeoutMs?: number;
}

/** Those of cmux, as in the default of SANDBOX_PORTS. */
const CMUX_PORTS: Readonly<Record<string, number>> = {
  worker: 39_377,
  vscode: 39_378,
  proxy: 39_379,
  vnc: 39_380,
  cdp: 39_381,
};

const STATUS = {
  requested: 'pending',
  starting: 'pending',
  running: 'ready',
  pausing: 'saving',
  paused: 'paused',
  resuming: 'pending',
  destroying: 'stopping',
  stuck: 'error',
  destroyed: 'gone',
  failed: 'gone',
  lost: 'gone',
} as const satisfies Record<SandboxState, CmuxStatus>;

type ChangeClient = Pick<LifecycleClient, 'pause' | 'resume' | 'destroy' | 'touch' | 'setTtl'>;

export function wrapSandbox(
  client: ChangeClient,
  sandbox: SandboxView,
  options: CmuxInstanceOptions = {},
): CmuxSandboxInstance {
  const { direct = {}, ports = CMUX_PORTS, pauseWithoutMemory = false, timeoutMs } = options;
  const wait = timeoutMs === undefined ? {} : { timeoutMs };
  let view = sandbox;

  return {
    get id() {
      return cmuxId(view);
    },
    sandboxId: view.id,
    get provider() {
      return view.provider;
    },
    get status() {
      return STATUS[view.state];
    },
    get metadata() {
      return metadataOf(view);
    },
    get networking() {
      return { httpServices: httpServicesOf(view, ports) };
    },
    async exec(command, execOptions = {}) {
      if (!direct.exec) throw new UnsupportedCallError('exec', 'commands do not go through the service');
      return direct.exec(view, command, execOptions);
    },
    async stop() {
      view = await client.destroy(view.id, wait);
    },
    async pause() {
      view = await client.pause(view.id, { ...wait, requiresRamSnapshot: !pauseWithoutMemory });
    },
    async resume() {
      view = await client.resume(view.id, wait);
    },
    exposeHttpService: (name, port) => exposeHttpService(view, ports, direct, { name, port }),
    async hideHttpService(name) {
      if (!direct.hideHttpService) {
        throw new UnsupportedCallError('hideHttpService', `the service cannot take ${name} away`);
      }
      await direct.hideHttpService(view, name);
    },
    async heartbeat() {
      await client.touch(view.id);
    },
    async extendTtl(ttlSeconds) {
      view = await client.setTtl(view.id, ttlSeconds);
    },
    async setWakeOn(http, ssh) {
      if (direct.setWakeOn) return direct.setWakeOn(view, http, ssh);
      if (http || ssh) {
        throw new UnsupportedCallError(
          'setWakeOn',
          'a sandbox is woken by a resume; what else may wake it is a setting of the deployment, MORPH_WAKE_ON',
        );
      }
    },
  };
}

export function cmuxId({ id, provider, providerId, guestId }: SandboxView): string {
  return (provider === 'morph' ? providerId : guestId) ?? id;
}

function metadataOf({ metadata, teamId, userId, taskRunId }: SandboxView) {
  return {
    ...(teamId === undefined ? {} : { teamId }),
    ...(userId === undefined ? {} : { userId }),
    ...(taskRunId === undefined ? {} : { taskRunId }),
    ...metadata,
  };
}

async function exposeHttpService(
  view: SandboxView,
  ports: Readonly<Record<string, number>>,
  direct: DirectCalls,
  { name, port }: { readonly name: string; readonly port: number },
): Promise<void> {
  const services = httpServicesOf(view, ports);
  if (services.some((service) => service.name === name && service.port === port)) return;
  if (!direct.exposeHttpService) {
    const offered = services.map((service) => `${service.name}:${service.port}`).join(', ') || 'none';
    throw new UnsupportedCallError('exposeHttpService', `${name}:${port} is not offered (only ${offered})`);
  }
  await direct.exposeHttpService(view, name, port);
}

/** cmux looks services up by port; ours are known by name. */
function httpServicesOf(
  { endpoints }: SandboxView,
  ports: Readonly<Record<string, number>>,
): readonly HttpService[] {
  return Object.entries(endpoints).map(([name, url]) => ({ name, port: ports[name] ?? portIn(url), url }));
}

/** `https://port-39378-…`, as both of cmux's routers have it, or the port of the address itself. */
function portIn(address: string): number {
  const { hostname, port, protocol } = new URL(address);
  const named = /^port-(\d+)-/.exec(hostname)?.[1];
  if (named !== undefined) return Number(named);
  if (port !== '') return Number(port);
  return protocol === 'http:' ? 80 : 443;
}
