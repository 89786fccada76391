import type { Endpoint } from '../core/guest.ts';
import type { ProviderName } from '../core/provider-name.ts';
import { createHttpClient, type TlsOptions } from './http-client.ts';
import { isProviderError, ProviderError } from './provider-error.ts';
import { pollUntil } from './wait.ts';

export interface UsableOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly provider?: ProviderName;
  /** How strict to be with the certificates of sandboxes. Default: verify. */
  readonly tls?: TlsOptions;
}

/** A service that is up answers at once; one that hangs longer than this is asked anew. */
const PROBE_TIMEOUT_MS = 3_000;
const FIRST_DELAY_MS = 50;
const LONGEST_DELAY_MS = 1_000;

/**
 * Returns once every endpoint has answered over HTTP with a status below 500 (a gateway in front of a service
 * that is not up says 502). All are asked at the same time, each until its own first answer.
 * Only for sandboxes whose claim is held: a probe wakes a paused Morph sandbox.
 * @throws ProviderError `never_usable` with `effect: 'applied'`, naming the ports that did not answer.
 */
export async function waitUntilUsable(endpoints: readonly Endpoint[], options: UsableOptions): Promise<void> {
  const answers = await Promise.all(endpoints.map((endpoint) => waitForAnswer(endpoint, options)));
  const silent = answers.filter((answer) => answer !== undefined);
  if (silent.length === 0) return;
  throw new ProviderError({
    kind: 'never_usable',
    effect: 'applied',
    message: `not usable within ${options.timeoutMs / 1000} s: ${silent.join('; ')}`,
    remediation: 'Check that the services start by themselves in what the sandbox is made from.',
    ...(options.provider === undefined ? {} : { provider: options.provider }),
  });
}

/** `undefined` when the endpoint answered, else what it did instead. */
async function waitForAnswer(endpoint: Endpoint, options: UsableOptions): Promise<string | undefined> {
  const url = new URL(endpoint.url);
  const client = createHttpClient({
    baseUrl: url.origin,
    headers: {},
    tls: options.tls ?? { verify: true },
    maxConnections: 1,
    ...(options.provider === undefined ? {} : { provider: options.provider }),
  });
  let last = 'was not asked';
  try {
    const answered = await pollUntil(
      async () => {
        const outcome = await probe(client, url, options);
        if (outcome === true) return true;
        last = outcome;
        return undefined;
      },
      { signal: options.signal, timeoutMs: options.timeoutMs, delayMs: probeDelayMs },
    );
    return answered ? undefined : `port ${endpoint.port} (${endpoint.name}) ${last}`;
  } finally {
    await client.close();
  }
}

async function probe(
  client: ReturnType<typeof createHttpClient>,
  url: URL,
  options: UsableOptions,
): Promise<true | string> {
  try {
    const { status } = await client.request({
      method: 'GET',
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      timeoutMs: Math.min(PROBE_TIMEOUT_MS, options.timeoutMs),
      signal: options.signal,
    });
    return status < 500 ? true : `answers ${status}`;
  } catch (error) {
    if (!isProviderError(error)) throw error;
    return error.report.kind === 'timed_out' ? 'does not answer' : 'does not accept connections';
  }
}

/** A tenth of the time waited: whoever waits is told at most that much too late, and a slow guest is asked seldom. */
function probeDelayMs(elapsedMs: number): number {
  return Math.min(Math.max(elapsedMs / 10, FIRST_DELAY_MS), LONGEST_DELAY_MS);
}
