/** `cmux-lifecycle serve`: workers, sweeps and pages in one process, from the environment. */
import { once } from 'node:events';
import { join } from 'node:path';
import { type Config, loadConfig } from '../platform/config.ts';
import { ConfigError } from '../platform/config-error.ts';
import { createLogger, type Logger } from '../platform/log.ts';
import { type Backends, realBackends } from './backends.ts';
import { describeAccess, startHttp } from './http.ts';
import { startLocalParts } from './local.ts';
import { type SystemOptions, startSystem } from './system.ts';

export async function serve(environment: NodeJS.ProcessEnv): Promise<void> {
  const config = loadConfig(environment);
  const log = createLogger(config.logLevel);
  for (const warning of config.warnings) log.warn(warning);
  const stopRequested = untilStopSignal();

  const surroundings = await prepareSurroundings(config);
  try {
    const system = await startSystem({ ...systemOptions(config, log), ...surroundings });
    try {
      const server = await startHttp(system, config, log);
      console.log(`cmux-lifecycle serves deployment "${config.deployment}"`);
      console.log(`  fleet     ${server.url}`);
      console.log(`  board     ${server.url}/queues`);
      console.log(`  api       ${server.url}/v1  (${server.url}/openapi.json)`);
      for (const line of describeAccess(server, config)) console.log(`  ${line}`);
      for (const line of describeBackends(surroundings.backends)) console.log(`  ${line}`);
      if (config.mode === 'local')
        console.log(`  producer  REDIS_URL=${surroundings.redis.url} DEPLOYMENT=${config.deployment}`);
      console.log('Stop with Ctrl-C.');
      await stopRequested;
      log.info('draining');
      await server.close();
    } finally {
      await system.close();
    }
  } finally {
    await surroundings.close();
  }
}

/** What every way of starting takes from the configuration as it is. */
export function systemOptions(config: Config, log: Logger): Omit<SystemOptions, 'redis' | 'backends'> {
  const { deployment, routing, presets, servicePorts, concurrency, timing, webhook, secretsKey } = config;
  const { sweepTimeZone } = config;
  return {
    deployment,
    routing,
    presets,
    concurrency,
    timing,
    log,
    sweepTimeZone,
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
  readonly redis: SystemOptions['redis'];
  readonly backends: Backends;
  close(): Promise<void>;
}

async function prepareSurroundings(config: Config): Promise<Surroundings> {
  if (config.mode === 'local') {
    const local = await startLocalParts(config, join(config.dataDir, 'serve'), { fresh: false });
    // Our own server was started with an append-only file.
    return {
      redis: { url: local.redisUrl, durability: 'aof' },
      backends: local.backends,
      close: local.close,
    };
  }
  if (config.enabledProviders.length === 0) {
    throw new ConfigError([
      {
        setting: 'MORPH_API_KEY, PVE_API_URL',
        problem: 'no provider is configured, so there is nothing to serve',
        remedy: 'set MORPH_API_KEY, or PVE_API_URL and PVE_API_TOKEN; unset REDIS_URL too to try it locally',
      },
    ]);
  }
  return { redis: config.redis, backends: realBackends(config), close: () => Promise.resolve() };
}

function describeBackends({ pve, morph }: Backends): readonly string[] {
  const label = (simulated: boolean) => (simulated ? ' (simulated: no real machine)' : '');
  return [
    ...(pve ? pve.kinds.map((kind) => `${kind.padEnd(10)}${pve.apiUrl}${label(pve.simulated)}`) : []),
    ...(morph ? [`morph     ${morph.apiBaseUrl}${label(morph.simulated)}`] : []),
  ];
}
