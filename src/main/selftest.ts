/** `cmux-lifecycle selftest <provider>`: one sandbox's life, on simulators or on the real thing, as configured. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LifecycleError } from '../core/lifecycle-error.ts';
import type { ProviderName } from '../core/provider-name.ts';
import type { Preset } from '../core/start-request.ts';
import { type Config, loadConfig } from '../platform/config.ts';
import { connectRedis } from '../platform/redis.ts';
import type { HttpClient } from '../providers/http-client.ts';
import { createRedactor } from '../providers/redact-transcript.ts';
import { createTranscript } from '../providers/transcript.ts';
import { createCapacityBook } from '../store/capacity-book.ts';
import { createPermits } from '../store/permits.ts';
import { createStore } from '../store/store.ts';
import { type Backends, realBackends } from './backends.ts';
import type { Variables } from './connection.ts';
import { startLocalParts } from './local.ts';
import { createProviders } from './providers.ts';
import { type Assumption, runSelftest } from './selftest-steps.ts';
import { OWN_SIMULATORS, warningsOf } from './warnings.ts';

/** For everything, the clean-up apart. */
const TIME_LIMIT_MS = 10 * 60_000;

export interface SelftestCommandOptions {
  /** Default: the first that has a source for the provider. */
  readonly preset?: string;
  /** A file that does not exist yet: every exchange with the provider, redacted, as JSON lines. */
  readonly record?: string;
  /** Told line by line, as it goes on: a real machine takes minutes. */
  readonly print?: (line: string) => void;
  readonly warn?: (sentence: string) => void;
}

/** The shape of `selftest -o json`; docs/cli.md has it. */
export interface SelftestReport {
  /** No assumption broke, and nothing is left behind. */
  readonly passed: boolean;
  readonly provider: ProviderName;
  readonly preset: string;
  readonly simulated: boolean;
  readonly assumptions: readonly Assumption[];
}

export async function selftest(
  name: string,
  environment: Variables,
  { preset: presetName, record, print = () => {}, warn = () => {} }: SelftestCommandOptions = {},
): Promise<SelftestReport> {
  const config = loadConfig(environment);
  for (const warning of warningsOf(config)) warn(warning);
  if (config.mode === 'local') warn(OWN_SIMULATORS);
  if (record !== undefined) createEmpty(record);
  const { redisUrl, backends, close } = await surroundingsOf(config);
  // The deployment's own ids, turns and memory: what is tested must not disturb what runs.
  const redis = await connectRedis(redisUrl, { role: 'worker' });
  const store = createStore(redis, config.deployment);
  const installId = await store.deployment.installId();
  const providers = createProviders(store, backends, {
    ...config,
    installId,
    permits: createPermits(store, async () => true),
    capacityBook: createCapacityBook(store),
    ...(record === undefined ? {} : { watchHttp: recordTo(record, backends) }),
  });
  try {
    const provider = providers.all.find((candidate) => candidate.name === name);
    if (provider === undefined) {
      const offered = providers.all.map((candidate) => candidate.name).join(', ');
      throw new LifecycleError({
        code: 'invalid_request',
        retryable: false,
        message: `${name} is not enabled; there is ${offered}`,
      });
    }
    const preset = presetFor(provider.name, config.presets, presetName);
    print(`${name}, preset ${preset.name}${provider.simulated ? ' (simulated: no real machine)' : ''}`);
    const assumptions: Assumption[] = [];
    const passed = await runSelftest(provider, {
      deployment: { name: config.deployment, installId },
      preset,
      usableTimeoutMs: config.timing.usableTimeoutMs,
      report: (assumption) => {
        assumptions.push(assumption);
        print(formatAssumption(assumption));
      },
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
    });
    const { name: tested, simulated } = provider;
    return { passed, provider: tested, preset: preset.name, simulated, assumptions };
  } finally {
    await providers.close();
    await store.close();
    redis.disconnect();
    await close();
  }
}

function presetFor(provider: ProviderName, presets: readonly Preset[], wanted: string | undefined): Preset {
  const startable = presets.filter(({ sources }) => sources[provider] !== undefined);
  const preset = wanted === undefined ? startable[0] : startable.find(({ name }) => name === wanted);
  if (preset !== undefined) return preset;
  throw new LifecycleError({
    code: 'unknown_preset',
    retryable: false,
    message:
      wanted === undefined
        ? `no preset has a source for ${provider}`
        : `no preset named ${wanted} has a source for ${provider}; there is ${startable.map(({ name }) => name).join(', ') || 'none'}`,
    remediation: `Give a preset of SANDBOX_PRESETS_FILE a source for ${provider}.`,
  });
}

/** Before anything is asked: a transcript that cannot be written is no reason to make a guest first. */
function createEmpty(file: string): void {
  try {
    writeFileSync(file, '', { flag: 'wx', mode: 0o600 });
  } catch (error) {
    throw new LifecycleError({
      code: 'invalid_request',
      retryable: false,
      message: `the transcript cannot be written: ${error instanceof Error ? error.message : String(error)}`,
      remediation: 'Name a file that does not exist yet, in a folder that does.',
    });
  }
}

/** Line by line, so that an interrupted run leaves what it has seen. */
function recordTo(file: string, { pve, morph }: Backends): (http: HttpClient) => HttpClient {
  const tokenParts = pve?.apiToken.split('=') ?? [];
  const secrets = [...tokenParts, ...(pve ? [pve.apiToken] : []), ...(morph ? [morph.apiKey] : [])];
  return createTranscript({
    redactor: createRedactor(secrets),
    write: (line) => appendFileSync(file, `${JSON.stringify(line)}\n`),
  });
}

export function formatAssumption({ verdict, name, durationMs, detail }: Assumption): string {
  const seconds = `${(durationMs / 1000).toFixed(1)} s`;
  return `  ${verdict.padEnd(11)}${name} (${seconds})${detail === undefined ? '' : `: ${detail}`}`;
}

async function surroundingsOf(
  config: Config,
): Promise<{ readonly redisUrl: string; readonly backends: Backends; readonly close: () => Promise<void> }> {
  if (config.mode === 'service') {
    return { redisUrl: config.redis.url, backends: realBackends(config), close: async () => {} };
  }
  const { redisUrl, backends, close } = await startLocalParts(config, join(config.dataDir, 'selftest'), {
    fresh: true,
  });
  return { redisUrl, backends, close };
}
