/** Simulators in the place of real providers: reached by address and credentials alone, from processes of their own. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalSimulators, startLocalSimulators } from '../../src/main/backends.ts';
import { loadConfig } from '../../src/platform/config.ts';
import { FAST_LATENCY } from './system.ts';

export interface AsIfReal {
  readonly simulators: LocalSimulators;
  /** What an operator sets for both providers. */
  readonly environment: Readonly<Record<string, string>>;
  readonly pve: Readonly<Record<string, string>>;
  readonly morph: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

const SERVICE_PORT = 39_377;
const ROOMY_NODE_MIB = 1024 * 1024;

/**
 * Guests of the simulated Proxmox are told a static address on loopback, at which one server answers for all of
 * them; so nothing here knows of a gateway.
 */
export async function startAsIfReal(): Promise<AsIfReal> {
  const { presets } = loadConfig({});
  const simulators = await startLocalSimulators(
    { presets },
    { latency: FAST_LATENCY, nodeMemoryMib: ROOMY_NODE_MIB },
  );
  const services = createServer((_request, response) => response.end('{}'));
  const address = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
  await once(services.listen(SERVICE_PORT, address), 'listening');

  const folder = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-real-'));
  const presetsFile = join(folder, 'presets.json');
  writeFileSync(
    presetsFile,
    JSON.stringify(Object.fromEntries(presets.map(({ name, ...rest }) => [name, rest]))),
  );

  const common = { SANDBOX_PRESETS_FILE: presetsFile, SANDBOX_PORTS: `worker:${SERVICE_PORT}` };
  const pve = {
    PVE_API_URL: simulators.pve.url,
    PVE_API_TOKEN: simulators.pve.token,
    PVE_CLOUD_INIT: `ipconfig0=ip=${address}/8`,
  };
  const morph = { MORPH_API_KEY: simulators.morph.apiKey, MORPH_API_BASE_URL: simulators.morph.url };
  return {
    simulators,
    pve: { ...common, ...pve },
    morph: { ...common, ...morph },
    environment: { ...common, ...pve, ...morph },
    async close() {
      services.close();
      services.closeAllConnections();
      await simulators.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
