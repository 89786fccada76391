import type { BilledBound } from '../core/billed.ts';
import type { Budget } from '../core/budget.ts';
import type { FallbackBound } from '../core/fallback-share.ts';
import type { IdlePolicy } from '../core/idle-policy.ts';
import type { ProviderName } from '../core/provider-name.ts';
import type { RoutingPolicy } from '../core/route.ts';
import type { Preset } from '../core/start-request.ts';
import { readBudgetsFile } from './budgets-file.ts';
import { ConfigError } from './config-error.ts';
import { readIdlePolicy } from './config-idle.ts';
import { createProblems, type Problems } from './config-problems.ts';
import {
  CREDENTIALS,
  enabledProviders,
  type MorphConfig,
  type PveConfig,
  readMorph,
  readProxmoxPreference,
  readPve,
} from './config-providers.ts';
import { readRouting } from './config-routing.ts';
import { type Environment, environmentSchema, SETTINGS, type Setting } from './config-schema.ts';
import { findTypos } from './config-typos.ts';
import { readWebhook, redactedWebhook, type WebhookConfig } from './config-webhook.ts';
import { LOCAL_PRESETS } from './local-presets.ts';
import { readPresetsFile } from './presets-file.ts';
import { LOCAL_PRICES, type PriceBookText, PUBLISHED_PRICES, readPriceBookFile } from './price-book-file.ts';
import { withoutPassword } from './redact-url.ts';
import type { RedisDurability } from './redis-safety.ts';

interface HttpConfig {
  readonly host: string;
  readonly port: number;
  /** The address people use, where a proxy stands in front. */
  readonly publicUrl?: string;
  /** That proxy sets `X-Forwarded-For`. */
  readonly trustProxy: boolean;
}

interface CommonConfig {
  /** Names our keys in Redis and our guests at the providers. */
  readonly deployment: string;
  /** Providers this process can serve, simulated ones in local mode; none where it only submits. */
  readonly enabledProviders: readonly ProviderName[];
  readonly routing: RoutingPolicy;
  readonly presets: readonly Preset[];
  readonly idlePolicy: IdlePolicy;
  /** Services every sandbox offers; absent: those of cmux. */
  readonly servicePorts?: readonly { readonly name: string; readonly port: number }[];
  /** Where every transition is told. Secret. */
  readonly webhook?: WebhookConfig;
  /** Seals the secrets of single sandboxes; hex. Secret. */
  readonly secretsKey?: string;
  readonly http: HttpConfig;
  /** Where a process of the role `workers` answers /healthz, /readyz and /metrics; absent: nowhere. */
  readonly healthPort?: number;
  readonly logLevel: Environment['LOG_LEVEL'];
  readonly dataDir: string;
  /** Where the ledger is kept for ever; absent: `ledger` in the folder of the data. */
  readonly ledgerDir?: string;
  readonly priceBook: PriceBookText;
  readonly budgets: readonly Budget[];
  readonly sweepTimeZone: string;
  readonly fallbackBound: FallbackBound;
  /** The configured half of the one switch; the other is `cmux-lifecycle destruction`. */
  readonly automaticDestruction: 'on' | 'off';
  readonly billedBound: BilledBound;
  /** The longest that anybody may hold a sandbox awake without renewing. */
  readonly maxHoldMs: number;
  readonly concurrency: {
    /** Attempts that one worker process carries out at a time, per provider. */
    readonly perWorker: number;
    /** Attempts that all workers together carry out at a time, per provider. */
    readonly perProvider: number;
  };
  readonly timing: {
    readonly unknownHoldMs: number;
    readonly cloneTimeoutMs: number;
    readonly permitWaitMs: number;
    readonly usableTimeoutMs: number;
    readonly startDeadlineMs: number;
  };
  /** What is allowed but should be known, in sentences. */
  readonly warnings: readonly string[];
}

/** Own Redis and simulators: nothing real is touched. */
export interface LocalConfig extends CommonConfig {
  readonly mode: 'local';
}

export interface ServiceConfig extends CommonConfig {
  readonly mode: 'service';
  /** The address may hold a password: secret. */
  readonly redis: { readonly url: string; readonly durability: RedisDurability };
  readonly pve?: PveConfig;
  readonly morph?: MorphConfig;
}

/** Holds secrets: print `redacted(config)` only. */
export type Config = LocalConfig | ServiceConfig;

type Variables = Readonly<Record<string, string | undefined>>;

/** What one process does of it all. Only `all` can run by itself, in local mode. */
export const SERVE_ROLES = ['all', 'api', 'workers'] as const;
export type ServeRole = (typeof SERVE_ROLES)[number];

/**
 * Reads the whole environment, and the files it names. For the role `api` no provider has to be configured: it only
 * submits, by the routing and the presets that the workers publish, and can do without their credentials.
 * @throws ConfigError that lists every problem at once.
 */
export function loadConfig(variables: Variables, role: ServeRole = 'all'): Config {
  const problems = createProblems();
  const given = (setting: Setting) => rawValue(variables, setting) !== undefined;
  const env = readVariables(variables, problems);
  const local = role === 'all' && ![...CREDENTIALS, 'REDIS_URL' as const].some(given);

  for (const typo of findTypos(Object.keys(variables))) problems.addOther(typo);
  checkService(given, { local, role }, problems);
  checkTiming(env, problems);
  const preference = readProxmoxPreference(env, problems);
  const enabled = enabledProviders(env, preference, given, local);
  const routing = readRouting({ env, preference, local, enabled, submitsOnly: role === 'api' }, problems);
  const pve = readPve(env, given, problems);
  const morph = readMorph(env, problems);
  const presets = readPresets(env, local, problems);
  const priceBook = readPrices(env, local, problems);
  const budgets = env.BUDGETS_FILE === undefined ? [] : readBudgetsFile(env.BUDGETS_FILE, problems);
  const webhook = readWebhook(env, problems);
  const idlePolicy = readIdlePolicy(env, problems);
  if (problems.all.length > 0 || routing === undefined) throw new ConfigError(problems.all);

  const common = {
    ...commonConfig(env),
    ...(webhook && { webhook }),
    ...(env.SECRETS_KEY === undefined ? {} : { secretsKey: env.SECRETS_KEY }),
    routing,
    presets,
    priceBook,
    idlePolicy,
    budgets,
    enabledProviders: enabled,
    warnings:
      role === 'api'
        ? []
        : [...(local ? [] : warningsFor(env, presets)), ...missingSources(presets, routing)],
  };
  if (local) return { ...common, mode: 'local' };
  return {
    ...common,
    mode: 'service',
    redis: { url: env.REDIS_URL ?? '', durability: env.REDIS_DURABILITY },
    ...(pve && enabled.some((provider) => provider !== 'morph') && { pve }),
    ...(morph && { morph }),
  };
}

/** The configuration as it may be printed and logged. */
export function redacted(config: Config): unknown {
  const secret = {
    ...(config.webhook && { webhook: redactedWebhook(config.webhook) }),
    ...(config.secretsKey && { secretsKey: '***' }),
  };
  if (config.mode === 'local') return { ...config, ...secret };
  const { redis, pve, morph } = config;
  return {
    ...config,
    ...secret,
    redis: { ...redis, url: withoutPassword(redis.url) },
    ...(pve && { pve: { ...pve, apiToken: pve.apiToken.replace(/=.*$/, '=***') } }),
    ...(morph && { morph: { ...morph, apiKey: '***' } }),
  };
}

/** Shells take quotes away; `docker run --env-file` and the like pass them on, and a key in quotes is a wrong key. */
const QUOTED = /^(["']).*\1$/s;
const IN_QUOTES = 'it is in quotes, which count as part of it';

/**
 * Each variable by itself, so that one that cannot be read does not hide the others. It stays undefined, which
 * nobody sees: with a problem there is no configuration.
 */
function readVariables(variables: Variables, problems: Problems): Environment {
  const values: Partial<Record<Setting, unknown>> = {};
  for (const setting of SETTINGS) {
    const raw = rawValue(variables, setting);
    const parsed = environmentSchema.shape[setting].safeParse(raw);
    if (raw !== undefined && QUOTED.test(raw)) problems.add(setting, IN_QUOTES, 'leave the quotes out');
    else if (parsed.success) values[setting] = parsed.data;
    else for (const { message } of parsed.error.issues) problems.add(setting, message);
  }
  return values as Environment;
}

/** An empty value counts as none (`FOO=` in an env file), but for the list where empty means "no fallback". */
function rawValue(variables: Variables, setting: Setting): string | undefined {
  const value = variables[setting]?.trim();
  return value === '' && setting !== 'SANDBOX_FALLBACK_PROVIDERS' ? undefined : value;
}

function checkService(
  given: (setting: Setting) => boolean,
  { local, role }: { readonly local: boolean; readonly role: ServeRole },
  problems: Problems,
): void {
  if (local) return;
  const credential = CREDENTIALS.find(given);
  if (!given('REDIS_URL') && credential === undefined) {
    const problem = `it is missing; the role ${role} shares a Redis with the other processes`;
    problems.add('REDIS_URL', problem, 'give that Redis, or leave the role out to try everything locally');
  } else if (!given('REDIS_URL')) {
    const problem = `it is missing, and with ${credential} real machines are managed, which must not be forgotten`;
    problems.add(
      'REDIS_URL',
      problem,
      `give a Redis that keeps its data, or unset ${credential} to try it locally`,
    );
  }
  if (!given('DEPLOYMENT')) {
    problems.add('DEPLOYMENT', 'it is missing; it tells our machines from those of other installations');
  }
}

function checkTiming(env: Environment, problems: Problems): void {
  if (env.START_DEADLINE_MS <= env.UNKNOWN_HOLD_MS) {
    const problem = `${env.START_DEADLINE_MS} leaves no time after UNKNOWN_HOLD_MS=${env.UNKNOWN_HOLD_MS}`;
    problems.add('START_DEADLINE_MS', problem, 'make it several times UNKNOWN_HOLD_MS');
  }
}

function readPresets(env: Environment, local: boolean, problems: Problems): readonly Preset[] {
  if (env.SANDBOX_PRESETS_FILE !== undefined) {
    const vmids = problems.has('PVE_VMID_RANGE') ? undefined : env.PVE_VMID_RANGE;
    return readPresetsFile(env.SANDBOX_PRESETS_FILE, vmids, problems);
  }
  return local ? LOCAL_PRESETS : [];
}

function readPrices(env: Environment, local: boolean, problems: Problems): PriceBookText {
  if (env.PRICE_BOOK_FILE !== undefined) return readPriceBookFile(env.PRICE_BOOK_FILE, problems);
  return local ? LOCAL_PRICES : PUBLISHED_PRICES;
}

function commonConfig(env: Environment) {
  const servicePorts = env.SANDBOX_PORTS?.map(({ name, number: port }) => ({ name, port }));
  return {
    deployment: env.DEPLOYMENT ?? 'local',
    ...(servicePorts && { servicePorts }),
    http: {
      host: env.HOST,
      port: env.PORT,
      trustProxy: env.TRUST_PROXY,
      ...(env.PUBLIC_URL === undefined ? {} : { publicUrl: env.PUBLIC_URL }),
    },
    ...(env.HEALTH_PORT === undefined ? {} : { healthPort: env.HEALTH_PORT }),
    logLevel: env.LOG_LEVEL,
    dataDir: env.DATA_DIR,
    ...(env.LEDGER_DIR === undefined ? {} : { ledgerDir: env.LEDGER_DIR }),
    sweepTimeZone: env.SWEEP_TIME_ZONE,
    fallbackBound: {
      share: env.FALLBACK_ALERT_SHARE / 100,
      windowMs: env.FALLBACK_ALERT_WINDOW_MINUTES * 60_000,
    },
    automaticDestruction: env.AUTOMATIC_DESTRUCTION,
    billedBound: {
      share: env.BILLING_ALERT_SHARE / 100,
      microUsd: env.BILLING_ALERT_USD * 1_000_000,
    },
    maxHoldMs: env.MAX_HOLD_SECONDS * 1_000,
    concurrency: { perWorker: env.WORKER_CONCURRENCY, perProvider: env.PROVIDER_CONCURRENCY },
    timing: {
      unknownHoldMs: env.UNKNOWN_HOLD_MS,
      cloneTimeoutMs: env.CLONE_TIMEOUT_MS,
      permitWaitMs: env.PERMIT_WAIT_MS,
      usableTimeoutMs: env.USABLE_TIMEOUT_MS,
      startDeadlineMs: env.START_DEADLINE_MS,
    },
  };
}

function warningsFor(env: Environment, presets: readonly Preset[]): readonly string[] {
  const warnings: string[] = [];
  if (env.PVE_API_URL !== undefined && !env.PVE_VERIFY_TLS) {
    warnings.push(
      'PVE_VERIFY_TLS=false: anybody between here and Proxmox can take the token. ' +
        'PVE_CA_FILE or PVE_TLS_FINGERPRINT makes a self-signed certificate safe.',
    );
  }
  if (presets.length === 0) {
    const which = env.SANDBOX_PRESETS_FILE === undefined ? 'is not set' : 'holds no preset';
    warnings.push(`SANDBOX_PRESETS_FILE ${which}: every start has to name its own sources.`);
  }
  return warnings;
}

/** A preset that cannot be started where the route leads would look like a fallback and be none. */
function missingSources(presets: readonly Preset[], routing: RoutingPolicy): readonly string[] {
  const providers = [...new Set([routing.primary, ...routing.fallbacks])];
  return presets.flatMap(({ name, sources }) =>
    providers
      .filter((provider) => sources[provider] === undefined)
      .map((provider) => `Preset ${name} has no source for ${provider}: it will not be started there.`),
  );
}
