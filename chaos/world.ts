/** The simulators in their own process: what they hold, and the trouble they are told to make. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Backends, LocalSimulatorOptions } from '../src/main/backends.ts';
import type { MeteredSpan } from '../src/simulators/meter.ts';
import type { FaultRule } from '../src/simulators/simulators.ts';
import type { SeenGuest } from './checker.ts';
import { MORPH_FAULTS, PVE_FAULTS } from './faults.ts';
import { type Inventory, seenGuests } from './seen-guests.ts';

export interface World {
  readonly backends: Backends;
  inventory(): Promise<readonly SeenGuest[]>;
  /** What the providers' own meters have counted until now. */
  metered(): Promise<readonly MeteredSpan[]>;
  makeTrouble(): Promise<void>;
  takeDown(target: 'pve' | 'morph', down: boolean): Promise<void>;
  /** Ends all trouble and says how much there was. */
  endTrouble(): Promise<Trouble>;
  close(): Promise<void>;
}

export interface Trouble {
  readonly lostReplies: number;
  /** Of the requests that change something. */
  readonly lostReplyShare: number;
  readonly faults: number;
}

/** Wide: from the fastest machine to one that takes its time; slow tasks stretch some of them further. */
const LATENCY = {
  pve: {
    cloneMs: 1_500,
    startMs: 1_200,
    suspendMs: 2_500,
    resumeMs: 1_200,
    stopMs: 300,
    shutdownMs: 1_200,
    destroyMs: 400,
    ctCloneMs: 700,
    ctStartMs: 300,
    servicesMs: 700,
  },
  morph: { startMs: 1_500, pauseMs: 1_500, resumeMs: 700, servicesMs: 500 },
} satisfies LocalSimulatorOptions['latency'];

/** Room for two dozen sandboxes of 8 GiB: now and then one is turned away. */
const NODE_MIB = 192 * 1024;
const CHANGING = ['POST', 'PUT', 'DELETE'];

type Counted = readonly (FaultRule & { readonly hits: number })[];

export async function startWorld(seed: number): Promise<World> {
  const main = fileURLToPath(new URL('./simulators-main.ts', import.meta.url));
  const options = { seed, latency: LATENCY, nodeMemoryMib: NODE_MIB };
  const child = fork(main, [JSON.stringify(options)], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [ready] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error('the simulators ended while they started'))),
  ])) as [{ backends: Backends; gatewayUrl: string }];

  async function control<T>(method: string, what: string, body?: unknown): Promise<T> {
    const reply = await fetch(`${ready.gatewayUrl}/simulator/${what}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!reply.ok) throw new Error(`simulators: ${method} ${what}: ${await reply.text()}`);
    return (await reply.json()) as T;
  }

  return {
    backends: ready.backends,
    inventory: async () => seenGuests(await control<Inventory>('GET', 'inventory')),
    async metered() {
      const { pve, morph } = await control<Record<'pve' | 'morph', readonly MeteredSpan[]>>('GET', 'metered');
      return [...pve, ...morph];
    },
    async makeTrouble() {
      await control('POST', 'faults', { target: 'pve', rules: PVE_FAULTS });
      await control('POST', 'faults', { target: 'morph', rules: MORPH_FAULTS });
    },
    async takeDown(target, down) {
      await control('POST', 'down', { target, down });
    },
    async endTrouble() {
      const counted = await control<{ pve: Counted; morph: Counted }>('GET', 'faults');
      await control('DELETE', 'faults');
      for (const target of ['pve', 'morph']) await control('POST', 'down', { target, down: false });
      const { pve, morph } = await control<Inventory>('GET', 'inventory');
      return measureTrouble([...counted.pve, ...counted.morph], [pve.calls, morph.calls]);
    },
    async close() {
      const gone = once(child, 'exit');
      child.disconnect();
      await gone;
    },
  };
}

function measureTrouble(rules: Counted, calls: readonly Readonly<Record<string, number>>[]): Trouble {
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  const lost = rules.filter(({ action }) => action.kind === 'lose-reply');
  const lostChanges = sum(lost.filter(({ method }) => method !== 'GET').map(({ hits }) => hits));
  const changes = sum(
    calls.flatMap((perEndpoint) =>
      Object.entries(perEndpoint).flatMap(([endpoint, count]) =>
        CHANGING.some((method) => endpoint.startsWith(`${method} `)) ? [count] : [],
      ),
    ),
  );
  return {
    lostReplies: sum(lost.map(({ hits }) => hits)),
    lostReplyShare: Math.round((lostChanges / Math.max(1, changes)) * 1_000) / 1_000,
    faults: sum(rules.map(({ hits }) => hits)),
  };
}
