import { ConfigError } from './config-error.ts';
import { createProblems } from './config-problems.ts';
import { environmentSchema } from './config-schema.ts';

/** What a command needs that works on records only, with no provider in sight. */
export interface RedisConfig {
  /** May hold a password: secret. */
  readonly redisUrl: string;
  readonly deployment: string;
}

const SETTINGS = ['REDIS_URL', 'DEPLOYMENT'] as const;

/** @throws ConfigError that lists every problem at once */
export function loadRedisConfig(variables: Readonly<Record<string, string | undefined>>): RedisConfig {
  const problems = createProblems();
  const [redisUrl, deployment] = SETTINGS.map((setting) => {
    const parsed = environmentSchema.shape[setting].safeParse(variables[setting]?.trim() || undefined);
    for (const { message } of parsed.error?.issues ?? []) problems.add(setting, message);
    if (parsed.success && parsed.data === undefined) {
      problems.add(setting, 'it is missing', 'give that of the running server; in local mode it prints both');
    }
    return parsed.data;
  });
  if (redisUrl === undefined || deployment === undefined) throw new ConfigError(problems.all);
  return { redisUrl, deployment };
}
