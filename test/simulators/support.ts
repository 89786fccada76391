import { onTestFinished } from 'vitest';
import {
  type MorphLatency,
  type PveLatency,
  type SimulatorOptions,
  startSimulators,
} from '../../src/simulators/simulators.ts';

export const TOKEN = 'sim@pve!lifecycle=11111111-2222-3333-4444-555555555555';
export const API_KEY = 'morph_simulated_key';

/** Short enough for a fast suite, long enough that a poll sees the states in between. */
export const FAST_PVE: PveLatency = {
  cloneMs: 60,
  startMs: 40,
  suspendMs: 80,
  resumeMs: 60,
  stopMs: 20,
  shutdownMs: 40,
  destroyMs: 20,
  ctCloneMs: 60,
  ctStartMs: 30,
  servicesMs: 40,
  forkMs: 10,
  flockWaitMs: 400,
  cloneFlockWaitMs: 40,
  agentWaitMs: 60,
  authFailureMs: 0,
  statsLagMs: 0,
  statsKeptMs: 60_000,
  memoryFillMs: 60,
  haReactionMs: 60,
  proxyTimeoutMs: 30_000,
};

export const FAST_MORPH: MorphLatency = {
  startMs: 40,
  pauseMs: 60,
  resumeMs: 40,
  servicesMs: 20,
  ttlLagMs: 10,
};

export const TEMPLATE = {
  vmid: 9000,
  name: 'cmux-base',
  cores: 4,
  memoryMib: 8192,
  diskGib: 32,
  tags: 'base;golden',
  description: 'made by the image pipeline',
  onboot: true,
} as const;

export const CT_TEMPLATE = {
  kind: 'lxc',
  vmid: 9100,
  name: 'cmux-ct-base',
  cores: 4,
  memoryMib: 8192,
  diskGib: 32,
  tags: 'base;golden',
  description: 'made by the image pipeline',
} as const;

export const SNAPSHOT = { id: 'snapshot_4vcpu8gb', vcpus: 4, memoryMib: 8192, diskMib: 32_768 } as const;

type PveOptions = Partial<NonNullable<SimulatorOptions['pve']>>;

/** PVE and Morph, closed when the test is over. */
export async function simulate(
  pve: PveOptions = {},
  rest: Omit<SimulatorOptions, 'pve' | 'morph'> & { readonly morphLatency?: Partial<MorphLatency> } = {},
) {
  const { morphLatency, ...options } = rest;
  const simulators = await startSimulators({
    ...options,
    pve: { token: TOKEN, templates: [TEMPLATE], ...pve, latency: { ...FAST_PVE, ...pve.latency } },
    morph: { apiKey: API_KEY, snapshots: [SNAPSHOT], latency: { ...FAST_MORPH, ...morphLatency } },
  });
  onTestFinished(() => simulators.close());
  return { ...simulators, api: pveClient(simulators.pve.url), morphApi: morphClient(simulators.morph.url) };
}

export interface Reply {
  readonly status: number;
  readonly reason: string;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: replies of many shapes, looked at field by field in assertions.
  readonly body: any;
}

export interface Call {
  readonly body?: Readonly<Record<string, string | number>> | URLSearchParams | string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: string;
}

async function send(url: string, init: RequestInit): Promise<Reply> {
  const response = await fetch(url, init);
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
  return {
    status: response.status,
    reason: response.statusText,
    headers: response.headers,
    text,
    body: isJson && text !== '' ? JSON.parse(text) : undefined,
  };
}

export type PveClient = ReturnType<typeof pveClient>;

export function pveClient(url: string, token = TOKEN) {
  const call = (method: string, path: string, { body, headers }: Call = {}): Promise<Reply> => {
    const form = formOf(body);
    return send(`${url}/api2/json${path}`, {
      method,
      headers: {
        authorization: `PVEAPIToken=${token}`,
        ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        ...headers,
      },
      ...(form === undefined ? {} : { body: form }),
    });
  };
  /** Waits for a task and answers its exit status. */
  const ended = async (upid: string): Promise<string> => {
    const node = upid.split(':')[1];
    const status = await eventually(async () => {
      const reply = await call('GET', `/nodes/${node}/tasks/${encodeURIComponent(upid)}/status`);
      return reply.body?.data?.status === 'stopped' ? (reply.body.data as { exitstatus: string }) : undefined;
    });
    return status.exitstatus;
  };
  /** Sends a request that answers a UPID and waits for that task; answers its exit status. */
  const task = async (method: string, path: string, body?: Call['body']): Promise<string> => {
    const reply = await call(method, path, body === undefined ? {} : { body });
    if (reply.status !== 200)
      throw new Error(`${method} ${path}: ${reply.status} ${reply.reason} ${reply.text}`);
    return ended(reply.body.data);
  };
  const vm = (vmid: number, node = 'pve1') => `/nodes/${node}/qemu/${vmid}`;
  return {
    get: (path: string, options?: Call) => call('GET', path, options),
    post: (path: string, body?: Call['body'], options?: Call) =>
      call('POST', path, body === undefined ? options : { ...options, body }),
    put: (path: string, body: Call['body']) => call('PUT', path, body === undefined ? {} : { body }),
    del: (path: string, options?: Call) => call('DELETE', path, options),
    call,
    ended,
    task,
    vm,
    status: async (vmid: number) => (await call('GET', `${vm(vmid)}/status/current`)).body.data,
    ct: (vmid: number, node = 'pve1') => `/nodes/${node}/lxc/${vmid}`,
    config: async (vmid: number) => (await call('GET', `${vm(vmid)}/config`)).body.data,
    clone: (newid: number, name = `pvevm-${newid.toString(16).padStart(8, '0')}`) =>
      task('POST', `${vm(TEMPLATE.vmid)}/clone`, { newid, name }),
    cloneCt: (newid: number, hostname = `pvelxc-${newid.toString(16).padStart(8, '0')}`) =>
      task('POST', `/nodes/pve1/lxc/${CT_TEMPLATE.vmid}/clone`, { newid, hostname }),
    start: (vmid: number) => task('POST', `${vm(vmid)}/status/start`),
    suspend: (vmid: number) => task('POST', `${vm(vmid)}/status/suspend`, { todisk: 1 }),
  };
}

function formOf(body: Call['body']): string | undefined {
  if (body instanceof URLSearchParams) return body.toString();
  return typeof body === 'object' ? new URLSearchParams(stringify(body)).toString() : body;
}

export function morphClient(url: string, key = API_KEY) {
  const call = (method: string, path: string, body?: unknown): Promise<Reply> =>
    send(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const becomes = (id: string, status: string) =>
    eventually(async () => {
      const reply = await call('GET', `/instance/${id}`);
      return reply.body?.status === status ? reply.body : undefined;
    });
  return {
    call,
    becomes,
    /** A started instance that is ready. */
    start: async (body: unknown = {}) => {
      const reply = await call('POST', `/instance?snapshot_id=${SNAPSHOT.id}`, body);
      return becomes(reply.body.id, 'ready');
    },
  };
}

/** Asks the gateway what a service in the guest says. */
export function visit(gatewayUrl: string, guest: string, port = 39378): Promise<Reply> {
  return send(`${gatewayUrl}/${guest}/${port}/`, {});
}

/** Polls until `look` answers something; a limit far above every latency used here. */
export async function eventually<T>(look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const untilMs = performance.now() + 4000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > untilMs) throw new Error('it never came to that');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function stringify(body: Readonly<Record<string, string | number>>): Record<string, string> {
  return Object.fromEntries(Object.entries(body).map(([key, value]) => [key, String(value)]));
}
