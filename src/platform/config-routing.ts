import { normaliseProviderName, type ProviderName, type ProxmoxPreference } from '../core/provider-name.ts';
import type { RoutingPolicy } from '../core/route.ts';
import type { WorkloadType } from '../core/start-request.ts';
import type { Problems } from './config-problems.ts';
import type { Environment, Setting } from './config-schema.ts';

const ROUTE_SETTINGS = {
  dev: 'SANDBOX_ROUTE_DEV',
  prod: 'SANDBOX_ROUTE_PROD',
  ephemeral: 'SANDBOX_ROUTE_EPHEMERAL',
  'quick-task': 'SANDBOX_ROUTE_QUICK_TASK',
  'long-running': 'SANDBOX_ROUTE_LONG_RUNNING',
} as const satisfies Record<WorkloadType, Setting>;

/** What to set for a provider that is named but cannot be used. */
const HOW_TO_ENABLE: Readonly<Record<ProviderName, string>> = {
  'pve-vm': 'set PVE_API_URL and PVE_API_TOKEN',
  'pve-lxc': 'set PVE_API_URL and PVE_API_TOKEN, and not PROXMOX_LXC_ENABLED=false',
  morph: 'set MORPH_API_KEY',
};

const HOW_TO_BEGIN =
  'set MORPH_API_KEY, or PVE_API_URL and PVE_API_TOKEN; to try it without either, unset REDIS_URL too';

export interface RoutingInput {
  readonly env: Environment;
  readonly preference: ProxmoxPreference;
  readonly local: boolean;
  /** Takes the routing that the workers publish, and never reads its own. */
  readonly submitsOnly: boolean;
  /** The providers this process has credentials for; none in a process that only submits. */
  readonly enabled: readonly ProviderName[];
}

/** The operator's wishes about where sandboxes run, every name in its canonical form. */
export function readRouting(input: RoutingInput, problems: Problems): RoutingPolicy | undefined {
  const name = (setting: Setting, value: string | undefined) => readName(input, problems, setting, value);
  const { env } = input;
  const byWorkload: Partial<Record<WorkloadType, ProviderName>> = {};
  for (const [workload, setting] of Object.entries(ROUTE_SETTINGS)) {
    const provider = name(setting, env[setting]);
    if (provider !== undefined) byWorkload[workload as WorkloadType] = provider;
  }
  const rollout = readRollout(input, problems);
  const fallbacks = env.SANDBOX_FALLBACK_PROVIDERS?.map((item) => name('SANDBOX_FALLBACK_PROVIDERS', item));
  const primary = readPrimary(input, problems);
  if (primary === undefined) return undefined;

  const wanted = fallbacks ?? input.enabled.filter((provider) => provider === 'morph');
  const others = wanted.filter((provider) => provider !== undefined && provider !== primary);
  return {
    primary,
    fallbacks: [...new Set(others as readonly ProviderName[])],
    byWorkload,
    ...(rollout && { rollout }),
  };
}

function readPrimary(input: RoutingInput, problems: Problems): ProviderName | undefined {
  const { env, enabled, local, preference } = input;
  const old = readName(input, problems, 'SANDBOX_PROVIDER', env.SANDBOX_PROVIDER);
  const own = readName(input, problems, 'SANDBOX_PRIMARY_PROVIDER', env.SANDBOX_PRIMARY_PROVIDER);
  if (old !== undefined && own !== undefined && old !== own) {
    const problem = `it says ${old}, and SANDBOX_PRIMARY_PROVIDER says ${own}`;
    problems.add(
      'SANDBOX_PROVIDER',
      problem,
      'unset SANDBOX_PROVIDER: it is the older name of the same setting',
    );
  }
  const named = own ?? old;
  if (named !== undefined) return named;

  const containersFirst = preference.useKvm === false || preference.defaultKind === 'lxc';
  const proxmox = containersFirst ? (['pve-lxc', 'pve-vm'] as const) : (['pve-vm', 'pve-lxc'] as const);
  const order: readonly ProviderName[] = local ? [...proxmox, 'morph'] : ['morph', ...proxmox];
  const first = order.find((provider) => enabled.includes(provider));
  const toldAlready = problems.has('SANDBOX_PRIMARY_PROVIDER') || problems.has('SANDBOX_PROVIDER');
  if (first === undefined && input.submitsOnly) return 'morph';
  if (first === undefined && !toldAlready) {
    const problem = 'no provider is enabled and none is named';
    problems.add('SANDBOX_PRIMARY_PROVIDER', problem, HOW_TO_BEGIN);
  }
  return first;
}

function readRollout(input: RoutingInput, problems: Problems): RoutingPolicy['rollout'] {
  const pairs = input.env.SANDBOX_ROLLOUT;
  if (pairs === undefined) return undefined;
  const weights: { readonly provider: ProviderName; readonly weight: number }[] = [];
  for (const { name, number: weight } of pairs) {
    const provider = readName(input, problems, 'SANDBOX_ROLLOUT', name);
    if (provider === undefined) continue;
    if (weights.some((other) => other.provider === provider)) {
      problems.add('SANDBOX_ROLLOUT', `${provider} is named twice`);
    }
    weights.push({ provider, weight });
  }
  if (pairs.every(({ number }) => number === 0)) problems.add('SANDBOX_ROLLOUT', 'every weight is 0');
  return { weights, key: input.env.SANDBOX_ROLLOUT_KEY };
}

function readName(
  { preference, enabled, env }: RoutingInput,
  problems: Problems,
  setting: Setting,
  value: string | undefined,
): ProviderName | undefined {
  if (value === undefined) return undefined;
  const provider = normaliseProviderName(value, preference);
  if (provider === undefined) problems.add(setting, `no provider is called "${value}"`);
  else if (provider === 'pve-vm' && env.PROXMOX_KVM_ENABLED === false) {
    problems.add(setting, `names ${provider}, and PROXMOX_KVM_ENABLED=false`, 'keep one of the two');
  } else if (provider === 'pve-lxc' && env.PROXMOX_LXC_ENABLED === false) {
    problems.add(setting, `names ${provider}, and PROXMOX_LXC_ENABLED=false`, 'keep one of the two');
  } else if (enabled.length > 0 && !enabled.includes(provider)) {
    problems.add(setting, `names ${provider}, which has no credentials here`, HOW_TO_ENABLE[provider]);
  } else return provider;
  return undefined;
}
