import type { Problems } from './config-problems.ts';
import type { Environment } from './config-schema.ts';

/** Where every transition is told. Both parts are secret: the address may hold a token. */
export interface WebhookConfig {
  readonly url: string;
  /** Each signs every event: two while a secret is being rotated, the new one first. */
  readonly secrets: readonly string[];
}

/** `undefined` where no webhook is configured, or where it is not in order. */
export function readWebhook(env: Environment, problems: Problems): WebhookConfig | undefined {
  const {
    LIFECYCLE_WEBHOOK_URL: url,
    LIFECYCLE_WEBHOOK_SECRET: secret,
    LIFECYCLE_WEBHOOK_SECRET_PREVIOUS: previous,
  } = env;
  const missing = (setting: 'LIFECYCLE_WEBHOOK_URL' | 'LIFECYCLE_WEBHOOK_SECRET', because: string) => {
    if (!problems.has(setting)) problems.add(setting, `it is missing, and ${because}`);
  };
  if (url !== undefined && secret === undefined) {
    missing('LIFECYCLE_WEBHOOK_SECRET', 'an event that is not signed could come from anybody');
  }
  if (url === undefined && (secret !== undefined || previous !== undefined)) {
    missing('LIFECYCLE_WEBHOOK_URL', 'its secret is set');
  }
  if (previous !== undefined && secret === undefined && url === undefined) {
    missing('LIFECYCLE_WEBHOOK_SECRET', 'only the previous one is set');
  }
  if (url === undefined || secret === undefined) return undefined;
  return { url, secrets: previous === undefined ? [secret] : [secret, previous] };
}

export function redactedWebhook({ url, secrets }: WebhookConfig) {
  const { origin, pathname, search } = new URL(url);
  return { url: `${origin}${pathname}${search === '' ? '' : '?***'}`, secrets: secrets.map(() => '***') };
}
