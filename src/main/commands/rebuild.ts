/** `cmux-lifecycle rebuild`: what it found, what it would restore or has restored, and what no marker holds. */

import { join } from 'node:path';
import { loadConfig } from '../../platform/config.ts';
import { ConfigError } from '../../platform/config-error.ts';
import { connectRedis } from '../../platform/redis.ts';
import { createCapacityBook } from '../../store/capacity-book.ts';
import { createPermits } from '../../store/permits.ts';
import { createStore } from '../../store/store.ts';
import { realBackends } from '../backends.ts';
import type { Variables } from '../connection.ts';
import { createProviders } from '../providers.ts';
import { type RebuildOptions, type RebuildReport, rebuild } from '../rebuild.ts';
import { replayLedger } from '../replay-ledger.ts';
import { type AddCommand, outputOf } from './command.ts';

/** Two reads per guest: a thousand take some minutes. */
const TIME_LIMIT_MS = 30 * 60_000;

export const addRebuild: AddCommand = (program, context) => {
  program
    .command('rebuild')
    .description(
      'restores the registry from the markers of guests after Redis was lost; changes nothing without --apply, and never a guest',
    )
    .option('--apply', 'write what it would restore', false)
    .option('--install <id...>', 'installations whose guests are ours, where markers name several', [])
    .action(async (given: { apply: boolean; install: string[] }, command) => {
      const report = await rebuildFromEnvironment(context.environment, {
        apply: given.apply,
        installs: given.install,
        signal: AbortSignal.timeout(TIME_LIMIT_MS),
      });
      outputOf(command, context).show(report, () => describe(report));
    });
};

async function rebuildFromEnvironment(
  environment: Variables,
  options: RebuildOptions,
): Promise<RebuildReport> {
  const config = loadConfig(environment);
  if (config.mode === 'local') {
    throw new ConfigError([
      {
        setting: 'REDIS_URL',
        problem: 'in local mode Redis and guests are kept in one folder, and lost together',
        remedy: 'set REDIS_URL, DEPLOYMENT and the credentials that the service runs with',
      },
    ]);
  }
  const redis = await connectRedis(config.redis.url, { role: 'worker' });
  const store = createStore(redis, config.deployment);
  const providers = createProviders(store, realBackends(config), {
    ...config,
    installId: await store.deployment.installId(),
    permits: createPermits(store, () => Promise.resolve(true)),
    capacityBook: createCapacityBook(store),
  });
  try {
    const { deployment, ledgerDir: folder = join(config.dataDir, 'ledger') } = config;
    const replay = replayLedger(store, { folder, nowMs: Date.now });
    const deps = { store, providers: providers.all, deployment, nowMs: Date.now, replay };
    return await rebuild(deps, options);
  } finally {
    await providers.close();
    await store.close();
    redis.disconnect();
  }
}

function describe({ applied, plan, restored, silent, notRestored, replayed }: RebuildReport): string {
  const lines = [
    `${plan.known.length} guests are answered for.`,
    applied ? `${restored.length} sandboxes were restored:` : `${plan.restore.length} would be restored:`,
    ...plan.restore.map(
      ({ guest, state }) =>
        `  ${guest.marker.sandbox}  ${state}  ${guest.ref.guestId} (${guest.ref.nativeId})`,
    ),
    ...plan.unowned.map(({ guest, reason }) => `unowned    ${guest.ref.guestId}: ${reason}`),
    ...plan.notNow.map(({ guest, reason }) => `not now    ${guest.ref.guestId}: ${reason}`),
    ...silent.map((line) => `no answer  ${line}`),
    ...replayed,
    'Not restored, because no marker holds it:',
    ...notRestored.map((line) => `  ${line}`),
  ];
  const next = applied
    ? 'What was restored is exempt from automatic destruction until: cmux-lifecycle confirm'
    : 'Nothing was written. To do it: cmux-lifecycle rebuild --apply';
  return [...lines, next].join('\n');
}
