import { z } from 'zod';
import { answerControl, type ControlTargets } from './control.ts';
import { createDataFile, type DataFile, readDataFile } from './data-file.ts';
import { createFaultPlan, createRandom } from './fault-plan.ts';
import { answerAtGateway, type GatewayGuest, gatewayReply } from './gateway.ts';
import { startHttpHost } from './http-host.ts';
import type { MorphOptions } from './morph/morph-options.ts';
import { type MorphSimulator, startMorphSimulator } from './morph/morph-simulator.ts';
import type { PveOptions } from './pve/pve-options.ts';
import { type PveSimulator, startPveSimulator } from './pve/pve-simulator.ts';
import { createTimers, type Timers } from './timers.ts';

export type { FaultPlan, FaultRule } from './fault-plan.ts';
export type { MorphLatency, SimulatedSnapshot } from './morph/morph-options.ts';
export type { MorphInventory, MorphOperator, MorphSimulator } from './morph/morph-simulator.ts';
export type { PveInventory, PveInventoryGuest } from './pve/inventory.ts';
export type { ForeignGuest, PveOperator } from './pve/operator.ts';
export type {
  PerNode,
  PveLatency,
  SimulatedCtTemplate,
  SimulatedTemplate,
  SimulatedVmTemplate,
} from './pve/pve-options.ts';
export type { PveSimulator } from './pve/pve-simulator.ts';

export interface SimulatorOptions {
  readonly pve?: PveOptions;
  readonly morph?: MorphOptions;
  /** Where simulated guests answer. Default: a free port. */
  readonly gatewayPort?: number;
  /** Default `127.0.0.1`. */
  readonly host?: string;
  /**
   * Guests survive a restart of this process in here; running ones count as having run on. Tasks under way count as
   * killed workers. Written within 200 ms of a change, and at `close()`.
   */
  readonly dataFile?: string;
  /** For probabilistic faults, whom the OOM killer takes, and Morph's ids. Default 1. */
  readonly seed?: number;
  readonly nowMs?: () => number;
}

/** What was asked for is there: with `pve` in the options, `pve` is no `undefined`. */
export interface Simulators<O extends SimulatorOptions = SimulatorOptions> {
  readonly pve: Asked<O['pve'], PveSimulator>;
  readonly morph: Asked<O['morph'], MorphSimulator>;
  readonly gatewayUrl: string;
  /** Saves, cancels every timer and frees the ports. May be called twice. */
  readonly close: () => Promise<void>;
}

type Asked<Option, Simulator> = Option extends object ? Simulator : Simulator | undefined;

const savedFile = z.object({
  version: z.literal(1),
  pve: z.unknown().optional(),
  morph: z.unknown().optional(),
});

/** Starts what the options name, plus the gateway, all on one host. A port in use frees those already taken. */
export async function startSimulators<const O extends SimulatorOptions>(options: O): Promise<Simulators<O>> {
  const timers = createTimers();
  const opened: (() => Promise<void>)[] = [];
  let dataFile: DataFile | undefined;
  let closed = false;
  const close = async () => {
    if (closed) return;
    closed = true;
    timers.clear();
    await Promise.all(opened.map((closePort) => closePort()));
    dataFile?.flush();
  };
  try {
    const touch = () => dataFile?.touch();
    const { pve, morph, gatewayUrl, snapshot } = await open(options, timers, touch, opened);
    dataFile = createDataFile(options.dataFile, snapshot, timers);
    return { pve, morph, gatewayUrl, close } as Simulators<O>;
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(
  options: SimulatorOptions,
  timers: Timers,
  onChange: () => void,
  opened: (() => Promise<void>)[],
) {
  const { host = '127.0.0.1', nowMs = Date.now, dataFile: path } = options;
  const { seed = 1 } = options;
  const random = createRandom(seed);
  const text = path === undefined ? undefined : readDataFile(path);
  const saved = text === undefined ? undefined : savedFile.parse(text);
  const common = { host, timers, nowMs, onChange };

  let findGuest = (_name: string): GatewayGuest | undefined => undefined;
  let control: ControlTargets = { pve: undefined, morph: undefined };
  const gateway = await startHttpHost({
    host,
    port: options.gatewayPort ?? 0,
    keepAliveMs: 5000,
    maxRequestsPerConnection: 10_000,
    timers,
    formatError: (status, error) => gatewayReply(status, { error }),
    handle: (request) =>
      request.segments[0] === 'simulator'
        ? answerControl(control, request)
        : answerAtGateway((name) => findGuest(name), nowMs, request.segments),
  });
  opened.push(() => gateway.setDown(true));
  const gatewayUrl = gateway.origin;

  const pve =
    options.pve &&
    (await startPveSimulator(
      { ...common, faults: createFaultPlan(random), random: createRandom(seed + 1) },
      options.pve,
      saved?.pve,
    ));
  if (pve !== undefined) opened.push(pve.close);
  const faults = createFaultPlan(random);
  const morph =
    options.morph &&
    (await startMorphSimulator({ ...common, faults, gatewayUrl, seed }, options.morph, saved?.morph));
  if (morph !== undefined) opened.push(morph.close);

  findGuest = (name) => pve?.findGuest(name) ?? morph?.findGuest(name);
  control = { pve: pve?.simulator, morph: morph?.simulator };
  // A side not simulated this time keeps what was saved of it.
  const snapshot = () => ({
    version: 1,
    pve: pve === undefined ? saved?.pve : pve.snapshot(),
    morph: morph === undefined ? saved?.morph : morph.snapshot(),
  });
  return { pve: pve?.simulator, morph: morph?.simulator, gatewayUrl, snapshot };
}
