/** `cmux-lifecycle serve`: workers, sweeps and pages, in one process or in several, from the environment. */
import { once } from 'node:events';
import { join } from 'node:path';
import { type Config, loadConfig, type ServeRole } from '../platform/config.ts';
import { ConfigError } from '../platform/config-error.ts';
import { createLogger, type Logger } from '../platform/log.ts';
import { type Backends, realBackends } from './backends.ts';
import type { Variables } from './connection.ts';
import { startHealthPort } from './health-port.ts';
import { describeAccess, type Http, startHttp } from './http.ts';
import { startLocalParts } from './local.ts';
import type { Output } from './output.ts';
import { type System, type SystemOptions, startSystem } from './system.ts';
import { warningsOf } from './warnings.ts';

export interface ServeOptions {
  readonly role: ServeRole;
  readonly output: Pick<Output, 'showLine'>;
}

/**
 * Runs until SIGINT or SIGTERM. `api` answers over HTTP and only submits; `workers` carry out attempts and sweeps;
 * `all` does both. Any number of processes of any role may share one Redis.
 */
export async function serve(environment: Variables, { role, output }: ServeOptions): Promise<void> {
  const config = loadConfig(environment, role);
  const log = createLogger(config.logLevel);
  for (const warning of warningsOf(config)) log.warn(warning);
  const stopRequested = untilStopSignal();

  const surroundings = await prepareSurroundings(config, role);
  try {
    const system = await startSystem({
      ...systemOptions(config, log),
      ...surroundings,
      roles: role === 'api' ? [] : ['workers', 'sweeps'],
    });
    try {
      const front = await startFront(system, config, role, log);
      output.showLine(factsOf(config, role, front), () =>
        describeServing(config, role, front, surroundings).join('\n'),
      );
      await stopRequested;
      log.info('draining');
      await front.close();
    } finally {
      await system.close();
    }
  } finally {
    await surroundings.close();
  }
}

/** What this process answers over HTTP: everything, a few measures, or nothing. */
interface Front {
  readonly http?: Http;
  readonly healthUrl?: string;
  close(): Promise<void>;
}

async function startFront(system: System, config: Config, role: ServeRole, log: Logger): Promise<Front> {
  if (role !== 'workers') {
    const http = await startHttp(system, config, log);
    return { http, close: http.close };
  }
  if (config.healthPort === undefined) return { close: () => Promise.resolve() };
  const { host } = config.http;
  const address = { host, port: config.healthPort, setting: 'HEALTH_PORT' } as const;
  const port = await startHealthPort(system, address, log);
  return { healthUrl: port.url, close: port.close };
}

function factsOf({ deployment, mode }: Config, role: ServeRole, { http, healthUrl }: Front) {
  return {
    deployment,
    role,
    mode,
    ...(http && { url: http.url }),
    ...(http?.loginLink === undefined ? {} : { loginLink: http.loginLink }),
    ...(healthUrl === undefined ? {} : { healthUrl }),
  };
}

function describeServing(
  config: Config,
  role: ServeRole,
  { http, healthUrl }: Front,
  { backends, redis }: Surroundings,
): readonly string[] {
  const what = role === 'all' ? '' : ` as ${role}`;
  return [
    `cmux-lifecycle serves deployment "${config.deployment}"${what}`,
    ...(http
      ? [
          `  fleet     ${http.url}`,
          `  board     ${http.url}/queues`,
          `  api       ${http.url}/v1  (${http.url}/openapi.json)`,
          ...describeAccess(http, config).map((line) => `  ${line}`),
        ]
      : []),
    ...(healthUrl === undefined ? [] : [`  health    ${healthUrl}/readyz`]),
    ...(role === 'api' ? [] : describeBackends(backends).map((line) => `  ${line}`)),
    ...(config.mode === 'local'
      ? [`  producer  REDIS_URL=${redis.url} DEPLOYMENT=${config.deployment}`]
      : []),
    'Stop with Ctrl-C.',
  ];
}

/** What every way of starting takes from the configuration as it is. */
export function systemOptions(config: Config, log: Logger): Omit<SystemOptions, 'redis' | 'backends'> {
  const { deployment, routing, presets, servicePorts, concurrency, timing, webhook, secretsKey } = config;
  const {
    sweepTimeZone,
    maxHoldMs,
    fallbackBound,
    billedBound,
    priceBook,
    budgets,
    idlePolicy,
    automaticDestruction,
  } = config;
  return {
    deployment,
    routing,
    presets,
    concurrency,
    timing,
    log,
    sweepTimeZone,
    fallbackBound,
    billedBound,
    maxHoldMs,
    priceBook,
    idlePolicy,
    automaticDestruction,
    budgets,
    ...(servicePorts && { servicePorts }),
    ...(webhook && { webhook }),
    ...(secretsKey && { secretsKey }),
  };
}

/** Resolves at the first SIGINT or SIGTERM; a second one ends the process at once. */
export async function untilStopSignal(): Promise<void> {
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
}

interface Surroundings {
  readonly ledgerDir?: string;
  readonly redis: SystemOptions['redis'];
  readonly backends: Backends;
  close(): Promise<void>;
}

async function prepareSurroundings(config: Config, role: ServeRole): Promise<Surroundings> {
  if (config.mode === 'local') {
    const local = await startLocalParts(config, join(config.dataDir, 'serve'), { fresh: false });
    // Our own server was started with an append-only file.
    return {
      ledgerDir: config.ledgerDir ?? join(config.dataDir, 'serve', 'ledger'),
      redis: { url: local.redisUrl, durability: 'aof' },
      backends: local.backends,
      close: local.close,
    };
  }
  const close = () => Promise.resolve();
  if (role === 'api') return { redis: config.redis, backends: {}, close };
  if (config.enabledProviders.length === 0) {
    throw new ConfigError([
      {
        setting: 'MORPH_API_KEY, PVE_API_URL',
        problem: 'no provider is configured, so there is nothing to serve',
        remedy: 'set MORPH_API_KEY, or PVE_API_URL and PVE_API_TOKEN; unset REDIS_URL too to try it locally',
      },
    ]);
  }
  return {
    ledgerDir: config.ledgerDir ?? join(config.dataDir, 'ledger'),
    redis: config.redis,
    backends: realBackends(config),
    close,
  };
}

function describeBackends({ pve, morph }: Backends): readonly string[] {
  const label = (simulated: boolean) => (simulated ? ' (simulated: no real machine)' : '');
  return [
    ...(pve ? pve.kinds.map((kind) => `${kind.padEnd(10)}${pve.apiUrl}${label(pve.simulated)}`) : []),
    ...(morph ? [`morph     ${morph.apiBaseUrl}${label(morph.simulated)}`] : []),
  ];
}
