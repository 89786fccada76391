import { readFileSync } from 'node:fs';
import type { ProviderName, ProxmoxPreference } from '../core/provider-name.ts';
import type { Problems } from './config-problems.ts';
import type { Environment, Setting } from './config-schema.ts';

export interface PveConfig {
  readonly apiUrl: string;
  /** `user@realm!name=secret`. Secret. */
  readonly apiToken: string;
  readonly nodes: readonly [string, ...string[]];
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
}

/** Which settings make a provider real. */
export const PVE_CREDENTIALS = ['PVE_API_URL', 'PVE_API_TOKEN'] as const satisfies readonly Setting[];
export const CREDENTIALS = [...PVE_CREDENTIALS, 'MORPH_API_KEY'] as const satisfies readonly Setting[];

export const NO_LXC_DRIVER = 'this version has no driver for containers (pve-lxc) yet';
export const USE_VMS = 'use pve-vm: full VMs, which keep their memory through a pause';

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
  const wantsLxc = { PROXMOX_LXC_ENABLED: lxcEnabled === true, PROXMOX_DEFAULT: defaultKind === 'lxc' };
  for (const [setting, wanted] of Object.entries(wantsLxc)) {
    if (wanted) problems.add(setting as Setting, NO_LXC_DRIVER, `unset ${setting}, and ${USE_VMS}`);
  }
  if (useKvm === false && defaultKind !== 'vm') {
    problems.add('PROXMOX_USE_KVM', NO_LXC_DRIVER, `unset PROXMOX_USE_KVM, and ${USE_VMS}`);
  }
  return { ...(useKvm !== undefined && { useKvm }), ...(defaultKind && { defaultKind }) };
}

/** The providers this process has credentials for; local mode simulates all of them. */
export function enabledProviders(
  env: Environment,
  given: (setting: Setting) => boolean,
  local: boolean,
): readonly ProviderName[] {
  const vm = env.PROXMOX_KVM_ENABLED !== false && (local || PVE_CREDENTIALS.some(given));
  const morph = local || given('MORPH_API_KEY');
  return [...(vm ? (['pve-vm'] as const) : []), ...(morph ? (['morph'] as const) : [])];
}

/** Everything a Proxmox driver needs, `undefined` when Proxmox is not wanted or something is missing. */
export function readPve(
  env: Environment,
  given: (setting: Setting) => boolean,
  problems: Problems,
): PveConfig | undefined {
  if (!PVE_CREDENTIALS.some(given)) return undefined;
  const { PVE_API_URL: apiUrl, PVE_API_TOKEN: apiToken, PVE_PUBLIC_DOMAIN: publicDomain } = env;
  const [firstNode, ...otherNodes] = env.PVE_NODE ?? [];
  for (const setting of [...PVE_CREDENTIALS, 'PVE_NODE'] as const) {
    const missing = setting === 'PVE_NODE' ? firstNode === undefined : !given(setting);
    if (missing) problems.add(setting, 'it is missing, and Proxmox cannot be used without it');
  }
  const tls = readTls(env, problems);
  if (apiUrl === undefined || apiToken === undefined || firstNode === undefined) return undefined;
  return {
    apiUrl,
    apiToken,
    nodes: [firstNode, ...otherNodes],
    ...(publicDomain !== undefined && { publicDomain }),
    tls,
    vmidRange: env.PVE_VMID_RANGE,
  };
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

export function readMorph(env: Environment): MorphConfig | undefined {
  const { MORPH_API_KEY: apiKey, MORPH_API_BASE_URL: apiBaseUrl } = env;
  return apiKey === undefined ? undefined : { apiKey, apiBaseUrl };
}
