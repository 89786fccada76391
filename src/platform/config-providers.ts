import { readFileSync } from 'node:fs';
import type { MemoryReserves } from '../core/placement.ts';
import { normaliseProviderName, type ProviderName, type ProxmoxPreference } from '../core/provider-name.ts';
import type { Problems } from './config-problems.ts';
import type { Environment, Setting } from './config-schema.ts';

export interface PveConfig {
  readonly apiUrl: string;
  /** `user@realm!name=secret`. Secret. */
  readonly apiToken: string;
  /** Absent: every node of the cluster. */
  readonly nodes?: readonly string[];
  readonly cordonedNodes: readonly string[];
  readonly reserves: MemoryReserves;
  /** Whether containers get a token for cmux's exec daemon. */
  readonly execToken: boolean;
  /** Whether the clock of a VM is set when it wakes. */
  readonly setClock: boolean;
  /** Cloud-init of VMs, by Proxmox's own names. */
  readonly cloudInit?: Readonly<Record<string, string>>;
  readonly publicDomain?: string;
  readonly tls: {
    readonly verify: boolean;
    /** PEM text of the authority to trust. */
    readonly ca?: string;
    readonly fingerprint256?: string;
  };
  /** Both included. */
  readonly vmidRange: { readonly first: number; readonly last: number };
}

export interface MorphConfig {
  /** Secret. */
  readonly apiKey: string;
  readonly apiBaseUrl: string;
  /** After how long without us Morph pauses a sandbox; 0: never. Absent: the driver's default. */
  readonly deadManSeconds?: number;
  /** Whether traffic or SSH wakes a paused sandbox. Absent: neither. */
  readonly wakeOn?: { readonly http: boolean; readonly ssh: boolean };
}

/** Which settings make a provider real. */
export const PVE_CREDENTIALS = ['PVE_API_URL', 'PVE_API_TOKEN'] as const satisfies readonly Setting[];
export const CREDENTIALS = [...PVE_CREDENTIALS, 'MORPH_API_KEY'] as const satisfies readonly Setting[];

/** How `proxmox` is to be read. The four PROXMOX_ settings may not contradict one another. */
export function readProxmoxPreference(env: Environment, problems: Problems): ProxmoxPreference {
  const { PROXMOX_USE_KVM: useKvm, PROXMOX_KVM_ENABLED: kvmEnabled, PROXMOX_LXC_ENABLED: lxcEnabled } = env;
  const defaultKind = env.PROXMOX_DEFAULT === 'kvm' ? 'vm' : env.PROXMOX_DEFAULT;
  const contradict = (setting: Setting, other: string) =>
    problems.add(setting, `contradicts ${other}`, `keep one of the two`);

  if (useKvm === false && defaultKind === 'vm') {
    contradict('PROXMOX_USE_KVM', `PROXMOX_DEFAULT=${env.PROXMOX_DEFAULT}`);
  }
  if (useKvm === true && defaultKind === 'lxc') contradict('PROXMOX_USE_KVM', 'PROXMOX_DEFAULT=lxc');
  if (kvmEnabled === false && useKvm === true) contradict('PROXMOX_USE_KVM', 'PROXMOX_KVM_ENABLED=false');
  if (kvmEnabled === false && defaultKind === 'vm') {
    contradict('PROXMOX_DEFAULT', 'PROXMOX_KVM_ENABLED=false');
  }
  if (lxcEnabled === false && useKvm === false) contradict('PROXMOX_USE_KVM', 'PROXMOX_LXC_ENABLED=false');
  if (lxcEnabled === false && defaultKind === 'lxc') {
    contradict('PROXMOX_DEFAULT', 'PROXMOX_LXC_ENABLED=false');
  }
  return { ...(useKvm !== undefined && { useKvm }), ...(defaultKind && { defaultKind }) };
}

/** The providers this process has credentials for; local mode simulates all of them. */
export function enabledProviders(
  env: Environment,
  preference: ProxmoxPreference,
  given: (setting: Setting) => boolean,
  local: boolean,
): readonly ProviderName[] {
  const proxmox = local || PVE_CREDENTIALS.some(given);
  const enabled = {
    'pve-vm': proxmox && env.PROXMOX_KVM_ENABLED !== false,
    'pve-lxc': proxmox && (env.PROXMOX_LXC_ENABLED ?? (local || wantsContainers(env, preference))),
    morph: local || given('MORPH_API_KEY'),
  } satisfies Record<ProviderName, boolean>;
  return (['pve-vm', 'pve-lxc', 'morph'] as const).filter((provider) => enabled[provider]);
}

/**
 * Containers are on where they are asked for. Always on, every short task of an installation that has templates of
 * VMs alone would be led to a provider that cannot serve it.
 */
function wantsContainers(env: Environment, preference: ProxmoxPreference): boolean {
  if (preference.useKvm === false || preference.defaultKind === 'lxc') return true;
  const names = [
    env.SANDBOX_PROVIDER,
    env.SANDBOX_PRIMARY_PROVIDER,
    ...(env.SANDBOX_FALLBACK_PROVIDERS ?? []),
    env.SANDBOX_ROUTE_DEV,
    env.SANDBOX_ROUTE_PROD,
    env.SANDBOX_ROUTE_EPHEMERAL,
    env.SANDBOX_ROUTE_QUICK_TASK,
    env.SANDBOX_ROUTE_LONG_RUNNING,
    ...(env.SANDBOX_ROLLOUT ?? []).map(({ name }) => name),
  ];
  return names.some((name) => name !== undefined && normaliseProviderName(name, preference) === 'pve-lxc');
}

/** Everything a Proxmox driver needs, `undefined` when Proxmox is not wanted or something is missing. */
export function readPve(
  env: Environment,
  given: (setting: Setting) => boolean,
  problems: Problems,
): PveConfig | undefined {
  if (!PVE_CREDENTIALS.some(given)) return undefined;
  const { PVE_API_URL: apiUrl, PVE_API_TOKEN: apiToken, PVE_PUBLIC_DOMAIN: publicDomain } = env;
  for (const setting of PVE_CREDENTIALS) {
    if (!given(setting)) problems.add(setting, 'it is missing, and Proxmox cannot be used without it');
  }
  const nodes = readNodes(env, problems);
  const tls = readTls(env, problems);
  if (apiUrl === undefined || apiToken === undefined) return undefined;
  return {
    apiUrl,
    apiToken,
    ...(nodes && { nodes }),
    cordonedNodes: env.PVE_CORDONED_NODES,
    reserves: { hostMib: env.PVE_HOST_RESERVE_MIB, resumeShare: env.PVE_RESUME_RESERVE / 100 },
    execToken: env.PVE_LXC_EXEC_TOKEN,
    setClock: env.PVE_SET_CLOCK,
    ...(env.PVE_CLOUD_INIT && { cloudInit: env.PVE_CLOUD_INIT }),
    ...(publicDomain !== undefined && { publicDomain }),
    tls,
    vmidRange: env.PVE_VMID_RANGE,
  };
}

/** `undefined`: every node of the cluster. */
function readNodes(env: Environment, problems: Problems): readonly string[] | undefined {
  const { PVE_NODE: named = [], PVE_CORDONED_NODES: cordoned } = env;
  if (named.length === 0 || named.includes('*')) {
    if (named.length > 1) problems.add('PVE_NODE', 'it names nodes besides *', 'give * or names, not both');
    return undefined;
  }
  const unknown = cordoned.find((node) => !named.includes(node));
  if (unknown !== undefined) {
    problems.add(
      'PVE_CORDONED_NODES',
      `${unknown} is not among PVE_NODE`,
      'name it there too, or leave it out',
    );
  }
  return named;
}

function readTls(env: Environment, problems: Problems): PveConfig['tls'] {
  const { PVE_VERIFY_TLS: verify, PVE_CA_FILE: caFile, PVE_TLS_FINGERPRINT: fingerprint256 } = env;
  if (verify === false && (caFile !== undefined || fingerprint256 !== undefined)) {
    const other = caFile === undefined ? 'PVE_TLS_FINGERPRINT' : 'PVE_CA_FILE';
    problems.add('PVE_VERIFY_TLS', `contradicts ${other}`, 'unset PVE_VERIFY_TLS');
  }
  if (caFile !== undefined && fingerprint256 !== undefined) {
    problems.add('PVE_TLS_FINGERPRINT', 'contradicts PVE_CA_FILE', 'keep one of the two');
  }
  const ca = caFile === undefined ? undefined : readPem(caFile, problems);
  return { verify, ...(ca !== undefined && { ca }), ...(fingerprint256 !== undefined && { fingerprint256 }) };
}

function readPem(path: string, problems: Problems): string | undefined {
  try {
    const pem = readFileSync(path, 'utf8');
    if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
    problems.add('PVE_CA_FILE', `${path} holds no PEM certificate`);
  } catch (error) {
    problems.add('PVE_CA_FILE', `${path} cannot be read: ${(error as Error).message}`);
  }
  return undefined;
}

/** Renewed at half of it, a hundred a minute: with less, a fleet of 3,000 could not be kept awake. */
const LEAST_DEAD_MAN_SECONDS = 3_600;

export function readMorph(env: Environment, problems: Problems): MorphConfig | undefined {
  const { MORPH_API_KEY: apiKey, MORPH_API_BASE_URL: apiBaseUrl, MORPH_WAKE_ON: wakeOn } = env;
  const { MORPH_DEAD_MAN_SECONDS: deadManSeconds } = env;
  if (deadManSeconds > 0 && deadManSeconds < LEAST_DEAD_MAN_SECONDS) {
    problems.add('MORPH_DEAD_MAN_SECONDS', `it is less than ${LEAST_DEAD_MAN_SECONDS}`);
  }
  const unknown = wakeOn.find((what) => what !== 'http' && what !== 'ssh');
  if (unknown !== undefined) problems.add('MORPH_WAKE_ON', `${unknown} wakes nothing`);
  if (apiKey === undefined) return undefined;
  const wakes = { http: wakeOn.includes('http'), ssh: wakeOn.includes('ssh') };
  return { apiKey, apiBaseUrl, deadManSeconds, wakeOn: wakes };
}
