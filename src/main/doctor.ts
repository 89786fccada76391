/** `cmux-lifecycle doctor`: whether the providers are fit for us, and the exact commands where they are not. */

import type { Preset } from '../core/start-request.ts';
import { loadConfig } from '../platform/config.ts';
import { createMorphProvider } from '../providers/morph/morph.ts';
import { createMorphHttpClient } from '../providers/morph/morph-api.ts';
import type { ProviderCall } from '../providers/provider.ts';
import { createPveHttpClient } from '../providers/pve/pve-api.ts';
import { CONTAINER_KIND, createPveContext, VM_KIND } from '../providers/pve/pve-context.ts';
import { examine, type Finding } from '../providers/pve/pve-examine.ts';
import {
  type Backends,
  type PveBackend,
  realBackends,
  simulatedBackends,
  startLocalSimulators,
} from './backends.ts';

const KINDS = { 'pve-vm': VM_KIND, 'pve-lxc': CONTAINER_KIND } as const;
const SIGNS = { ok: 'ok      ', warning: 'warning ', problem: 'PROBLEM ' } as const satisfies Record<
  Finding['verdict'],
  string
>;

/** True when nothing is wrong. */
export async function doctor(environment: NodeJS.ProcessEnv): Promise<boolean> {
  const config = loadConfig(environment);
  if (config.mode === 'service') return await examineAll(realBackends(config), config.presets, console.log);
  console.log('No credentials are set: the simulated providers are looked at.');
  const simulators = await startLocalSimulators(config);
  try {
    return await examineAll(
      simulatedBackends(simulators, config.enabledProviders),
      config.presets,
      console.log,
    );
  } finally {
    await simulators.close();
  }
}

export async function examineAll(
  { pve, morph }: Backends,
  presets: readonly Preset[],
  print: (line: string) => void,
): Promise<boolean> {
  let healthy = true;
  const show = (title: string, findings: readonly Finding[]) => {
    print(title);
    for (const { verdict, message, remedies = [] } of findings) {
      print(`  ${SIGNS[verdict]}${message}`);
      for (const remedy of remedies) print(`            ${remedy}`);
      if (verdict === 'problem') healthy = false;
    }
  };
  for (const kind of pve?.kinds ?? []) {
    if (pve) show(`${kind} at ${pve.apiUrl}`, await examinePve(pve, kind, presets));
  }
  if (morph) {
    const http = createMorphHttpClient({
      apiKey: morph.apiKey,
      baseUrl: morph.apiBaseUrl,
      maxConnections: 1,
    });
    const { healthy: answers, detail } = await createMorphProvider({ http }, morph).probe(READ_ONLY);
    await http.close();
    show(`morph at ${morph.apiBaseUrl}`, [{ verdict: answers ? 'ok' : 'problem', message: detail }]);
  }
  return healthy;
}

async function examinePve(
  pve: PveBackend,
  kind: keyof typeof KINDS,
  presets: readonly Preset[],
): Promise<readonly Finding[]> {
  const http = createPveHttpClient({ provider: kind, ...pve });
  // What was promised to starts under way is in Redis, and does not matter here.
  const unused = () => Promise.reject(new Error('the doctor changes nothing'));
  const context = createPveContext(
    KINDS[kind],
    {
      http,
      vmids: { reserve: unused, reject: unused, giveBack: unused },
      permits: { take: unused, note: unused, release: unused },
      capacityBook: { reservations: () => Promise.resolve([]), reserve: unused, release: unused },
      alerts: { raise: unused, clear: unused },
    },
    { ...pve, deployment: 'doctor', firstBoot: pve.cloudInit ? { cloudInit: pve.cloudInit } : {} },
  );
  try {
    return await examine(context, presets, READ_ONLY);
  } finally {
    await http.close();
  }
}

/** A minute is longer than a node needs for the few reads of this. */
const PATIENCE_MS = 60_000;

const READ_ONLY: ProviderCall = {
  get signal() {
    return AbortSignal.timeout(PATIENCE_MS);
  },
  holder: 'doctor',
  step: () => Promise.reject(new Error('the doctor changes nothing')),
};
