/** How commands reach the control plane: over HTTP, or straight through its Redis. The environment decides. */
import type { LifecycleClient } from '../core/client.ts';
import type { StartInput } from '../core/start-request.ts';
import { ConfigError } from '../platform/config-error.ts';
import { connectRedis } from '../platform/redis.ts';
import { loadRedisConfig } from '../platform/redis-config.ts';
import { createFetchClient } from '../producers/fetch-client.ts';
import { createTransport, type Send } from '../producers/fetch-transport.ts';
import { createProducer } from '../producers/redis-producer.ts';
import { createQueues, type Queues } from '../queues/queues.ts';
import { createSubmitter, type Submitter } from '../queues/submit-operation.ts';
import { createStore, type Store } from '../store/store.ts';

/** Who asked, in receipts, when a command goes through Redis. Over HTTP it is the token's name. */
const CALLER = 'cli';

interface ConnectionBase {
  /** The same methods over either. */
  readonly client: LifecycleClient<StartInput>;
  close(): Promise<void>;
}

export interface HttpConnection extends ConnectionBase {
  readonly via: 'http';
  readonly baseUrl: string;
  readonly token?: string;
  /** For routes that the client has no method for. */
  readonly send: Send;
}

export interface RedisConnection extends ConnectionBase {
  readonly via: 'redis';
  readonly deployment: string;
  readonly store: Store;
  readonly queues: Queues;
  readonly submitter: Submitter;
}

export type Connection = HttpConnection | RedisConnection;

export type Variables = Readonly<Record<string, string | undefined>>;

/**
 * @throws ConfigError when the environment names no way; LifecycleError `store_unavailable` when Redis does not answer
 */
export async function connect(variables: Variables): Promise<Connection> {
  const baseUrl = variables.CMUX_LIFECYCLE_URL?.trim();
  if (baseUrl) return connectHttp(baseUrl, variables.CMUX_LIFECYCLE_TOKEN?.trim());
  if (variables.REDIS_URL?.trim()) return connectStore(loadRedisConfig(variables));
  throw new ConfigError([
    {
      setting: 'CMUX_LIFECYCLE_URL',
      problem: 'it is missing, and so is REDIS_URL: there is nobody to ask',
      remedy:
        'give the address of the server, such as http://127.0.0.1:8787, and CMUX_LIFECYCLE_TOKEN where it asks for one; or REDIS_URL and DEPLOYMENT to go through its Redis',
    },
  ]);
}

/** Connects, runs and disconnects, whatever happens. */
export async function withConnection<T>(
  variables: Variables,
  run: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connect(variables);
  try {
    return await run(connection);
  } finally {
    await connection.close();
  }
}

function connectHttp(baseUrl: string, token: string | undefined): HttpConnection {
  if (!/^https?:$/.test(URL.canParse(baseUrl) ? new URL(baseUrl).protocol : '')) {
    const remedy = 'give the address of the server, such as https://lifecycle.example.com';
    throw new ConfigError([{ setting: 'CMUX_LIFECYCLE_URL', problem: 'this is no http address', remedy }]);
  }
  const options = { baseUrl, ...(token ? { token } : {}) };
  const client = createFetchClient(options);
  return { via: 'http', ...options, client, send: createTransport(options), close: client.close };
}

async function connectStore({
  redisUrl,
  deployment,
}: ReturnType<typeof loadRedisConfig>): Promise<RedisConnection> {
  const redis = await connectRedis(redisUrl, { role: 'producer' });
  const store = createStore(redis, deployment);
  const queues = createQueues(redis, store.keys);
  const submitter = createSubmitter({ store, queues, nowMs: Date.now });
  return {
    via: 'redis',
    deployment,
    store,
    queues,
    submitter,
    client: createProducer(store, submitter, CALLER),
    async close() {
      await queues.close();
      await store.close();
      redis.disconnect();
    },
  };
}
