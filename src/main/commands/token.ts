/** `cmux-lifecycle token …`: who may come in over HTTP. Whoever has the Redis may hand out access to it. */
import type { Command } from 'commander';
import { ROLES } from '../../core/principal.ts';
import { connectRedis } from '../../platform/redis.ts';
import { loadRedisConfig } from '../../platform/redis-config.ts';
import { createTokens, type TokenRequest, type Tokens } from '../../producers/access/tokens.ts';
import { createStore, type Store } from '../../store/store.ts';
import type { Variables } from '../connection.ts';
import { table } from '../output.ts';
import { type AddCommand, outputOf } from './command.ts';

export const addToken: AddCommand = (program, context) => {
  const { environment } = context;
  const token = program
    .command('token')
    .description('who may use the pages and the API (needs REDIS_URL and DEPLOYMENT)');

  token
    .command('create <name>')
    .description('prints a new token, this once')
    .option('--role <role>', ROLES.join(', '), 'operator')
    .option('--team <teamId>', 'limits it to one team')
    .action((name: string, { role, team }: { role: string; team?: string }, command: Command) =>
      withTokens(environment, async (tokens, record) => {
        const request = { name, role, ...(team === undefined ? {} : { teamId: team }) };
        const { secret } = await tokens.create(request as TokenRequest, 'cli');
        await record(`token create ${name} --role ${role}`);
        const output = outputOf(command, context);
        output.show({ ...request, token: secret }, () => secret);
        output.note(`Token ${name} (${role}) is shown this once: only its digest is kept.`);
      }),
    );

  token
    .command('list')
    .description('names, roles and teams; never the tokens themselves')
    .action((_options, command: Command) =>
      withTokens(environment, async (tokens) => {
        const listed = await tokens.list();
        outputOf(command, context).show(listed, () => describe(listed));
      }),
    );

  token
    .command('revoke <name>')
    .description('ends a token and every session opened with it, at once')
    .action((name: string, _options, command: Command) =>
      withTokens(environment, async (tokens, record) => {
        await tokens.revoke(name);
        await record(`token revoke ${name}`);
        outputOf(command, context).show({ name, revoked: true }, () => `Token ${name} is revoked.`);
      }),
    );
};

async function withTokens(
  environment: Variables,
  run: (tokens: Tokens, record: (what: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  const { redisUrl, deployment } = loadRedisConfig(environment);
  const redis = await connectRedis(redisUrl, { role: 'producer' });
  const store = createStore(redis, deployment);
  try {
    await run(createTokens(store.access, Date.now), (what) => recordOf(store, what));
  } finally {
    await store.close();
    redis.disconnect();
  }
}

function recordOf(store: Store, what: string): Promise<void> {
  return store.audit.append({ atMs: Date.now(), who: 'cli', role: 'admin', what, from: 'cli', status: 200 });
}

function describe(tokens: Awaited<ReturnType<Tokens['list']>>): string {
  if (tokens.length === 0) return 'There is no token.';
  return table(
    ['name', 'role', 'team', 'made', 'by'],
    tokens.map(({ name, role, teamId, createdAtMs, createdBy }) => [
      name,
      role,
      teamId ?? '',
      new Date(createdAtMs).toISOString().slice(0, 10),
      createdBy,
    ]),
  );
}
