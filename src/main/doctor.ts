/** `cmux-lifecycle doctor`: whether the providers are fit for us, and the exact commands where they are not. */

import type { ProviderName } from '../core/provider-name.ts';
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
  type MorphBackend,
  type PveBackend,
  realBackends,
  simulatedBackends,
  startLocalSimulators,
} from './backends.ts';
import type { Variables } from './connection.ts';
import { OWN_SIMULATORS, warningsOf } from './warnings.ts';

const KINDS = { 'pve-vm': VM_KIND, 'pve-lxc': CONTAINER_KIND } as const;
const SIGNS = { ok: 'ok      ', warning: 'warning ', problem: 'PROBLEM ' } as const satisfies Record<
  Finding['verdict'],
  string
>;

/** One provider, with what was seen of it. */
export interface Examination {
  readonly provider: ProviderName;
  readonly apiUrl: string;
  readonly simulated: boolean;
  readonly findings: readonly Finding[];
}

/** The shape of `doctor -o json`; docs/cli.md has it. */
export interface DoctorReport {
  /** No finding of any provider is a problem. */
  readonly fit: boolean;
  readonly providers: readonly Examination[];
}

export interface DoctorOptions {
  readonly warn: (sentence: string) => void;
  /** Told of each provider as soon as it was looked at. */
  readonly examined: (examination: Examination) => void;
}

export async function doctor(
  environment: Variables,
  { warn, examined }: DoctorOptions,
): Promise<DoctorReport> {
  const config = loadConfig(environment);
  for (const warning of warningsOf(config)) warn(warning);
  if (config.mode === 'service') return await examineAll(realBackends(config), config.presets, examined);
  warn(OWN_SIMULATORS);
  const simulators = await startLocalSimulators(config);
  try {
    return await examineAll(simulatedBackends(simulators, config.enabledProviders), config.presets, examined);
  } finally {
    await simulators.close();
  }
}

export async function examineAll(
  { pve, morph }: Backends,
  presets: readonly Preset[],
  examined: (examination: Examination) => void = () => {},
): Promise<DoctorReport> {
  const providers: Examination[] = [];
  const add = (examination: Examination) => {
    providers.push(examination);
    examined(examination);
  };
  for (const kind of pve?.kinds ?? []) {
    if (!pve) break;
    const { apiUrl, simulated } = pve;
    add({ provider: kind, apiUrl, simulated, findings: await examinePve(pve, kind, presets) });
  }
  if (morph) {
    const { apiBaseUrl: apiUrl, simulated } = morph;
    add({ provider: 'morph', apiUrl, simulated, findings: [await examineMorph(morph)] });
  }
  const fit = providers.every(({ findings }) => findings.every(({ verdict }) => verdict !== 'problem'));
  return { fit, providers };
}

export function describeExamination({ provider, apiUrl, simulated, findings }: Examination): string {
  return [
    `${provider} at ${apiUrl}${simulated ? ' (simulated: no real machine)' : ''}`,
    ...findings.flatMap(({ verdict, message, remedies = [] }) => [
      `  ${SIGNS[verdict]}${message}`,
      ...remedies.map((remedy) => `            ${remedy}`),
    ]),
  ].join('\n');
}

async function examineMorph(morph: MorphBackend): Promise<Finding> {
  const http = createMorphHttpClient({ apiKey: morph.apiKey, baseUrl: morph.apiBaseUrl, maxConnections: 1 });
  try {
    const { healthy, detail } = await createMorphProvider({ http }, morph).probe(READ_ONLY);
    return { verdict: healthy ? 'ok' : 'problem', message: detail };
  } finally {
    await http.close();
  }
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
      permits: { take: unused, note: unused, isOver: unused, isDone: unused, release: unused },
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
