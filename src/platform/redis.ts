import { Redis, type RedisOptions } from 'ioredis';
import { LifecycleError } from '../core/lifecycle-error.ts';
import { ConfigError } from './config-error.ts';
import { withoutPassword } from './redact-url.ts';
import { sentinelOptions } from './redis-address.ts';

export interface ConnectRedisOptions {
  /**
   * `producer`: somebody waits for the answer, so that a command fails within a second while Redis is away.
   * `worker`: commands wait until Redis is back, as BullMQ's workers demand.
   */
  readonly role: 'producer' | 'worker';
  /** Ends the waiting for the first connection. */
  readonly signal?: AbortSignal;
  /** Told once when Redis goes away, or is not there yet; the client tries on by itself, as often as it takes. */
  readonly onAway?: (error: Error) => void;
  /** Told once when Redis answers after that. */
  readonly onBack?: () => void;
  /** How long the first connection may take, several tries included. */
  readonly connectWithinMs?: number;
}

/** A container's Redis may come up a few seconds after us; longer is a wrong address. */
const CONNECT_WITHIN_MS = 10_000;
/** One TCP connection within a data centre takes milliseconds. */
const CONNECT_TIMEOUT_MS = 3_000;
/** Reconnects come quickly at first and then once a second: a failover is over in 2 s to 5 s. */
const RECONNECT_STEP_MS = 50;
const RECONNECT_CAP_MS = 1_000;
/** One reconnect per command bridges a dropped connection; more would hold the caller for seconds. */
const PRODUCER_RETRIES_PER_COMMAND = 1;
/** Every command we send is answered within milliseconds; this is a hung server or a dead network. */
const PRODUCER_COMMAND_TIMEOUT_MS = 5_000;
/** Answers that trying again cannot change. */
const WRONG_CREDENTIALS = /NOAUTH|WRONGPASS|NOPERM/;

/**
 * A connected client. It reconnects by itself from then on, and always has an error handler.
 * @throws LifecycleError `store_unavailable` when Redis does not answer in time; ConfigError when it refuses the
 * credentials; the abort reason when the signal fires. Nothing is left connected then.
 */
export async function connectRedis(url: string, options: ConnectRedisOptions): Promise<Redis> {
  const { role, signal, connectWithinMs = CONNECT_WITHIN_MS } = options;
  signal?.throwIfAborted();
  const sentinels = sentinelOptions(url);
  const redis = sentinels
    ? new Redis({ ...optionsFor(role), ...sentinels })
    : new Redis(url, optionsFor(role));
  const lastError = watchConnection(redis, options);
  const ready = await untilReady(redis, connectWithinMs, signal);
  if (ready) return redis;
  redis.disconnect();
  signal?.throwIfAborted();
  throw unreachable(url, lastError(), connectWithinMs);
}

/**
 * Another connection to the same Redis, for another role: whoever answers callers must hear at once that Redis
 * is away, and a worker must not.
 */
export async function connectAgain(redis: Redis, options: ConnectRedisOptions): Promise<Redis> {
  const again = redis.duplicate(optionsFor(options.role));
  const lastError = watchConnection(again, options);
  const withinMs = options.connectWithinMs ?? CONNECT_WITHIN_MS;
  if (await untilReady(again, withinMs, options.signal)) return again;
  again.disconnect();
  options.signal?.throwIfAborted();
  throw unreachable(`redis://${redis.options.host}:${redis.options.port}`, lastError(), withinMs);
}

/** Every try that fails is an error of its own; told is only what changes. Returns the last one. */
function watchConnection(redis: Redis, { onAway, onBack }: ConnectRedisOptions): () => Error | undefined {
  let lastError: Error | undefined;
  let isAway = false;
  redis.on('error', (error: Error) => {
    lastError = error;
    if (!isAway) onAway?.(error);
    isAway = true;
  });
  redis.on('ready', () => {
    if (isAway) onBack?.();
    isAway = false;
  });
  return () => lastError;
}

/** False when it takes too long, is hopeless, or the signal fires. */
function untilReady(redis: Redis, withinMs: number, signal: AbortSignal | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (ready: boolean) => {
      clearTimeout(timer);
      redis.off('ready', succeed).off('error', judge);
      signal?.removeEventListener('abort', fail);
      resolve(ready);
    };
    const succeed = () => settle(true);
    const fail = () => settle(false);
    const judge = (error: Error) => {
      if (WRONG_CREDENTIALS.test(error.message)) fail();
    };
    const timer = setTimeout(fail, withinMs);
    redis.on('ready', succeed).on('error', judge);
    signal?.addEventListener('abort', fail);
  });
}

function optionsFor(role: ConnectRedisOptions['role']): RedisOptions {
  const producer = role === 'producer';
  return {
    maxRetriesPerRequest: producer ? PRODUCER_RETRIES_PER_COMMAND : null,
    enableOfflineQueue: !producer,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // A connection that is up and never answers: somebody waits, so that it must end.
    ...(producer ? { commandTimeout: PRODUCER_COMMAND_TIMEOUT_MS } : {}),
    retryStrategy: (times) => Math.min(times * RECONNECT_STEP_MS, RECONNECT_CAP_MS),
    // After a failover the old master may answer as a read-only replica: leave it and ask again.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  };
}

/** Only what trying again cannot change is a wrong set-up: a Redis that is away may come back. */
function unreachable(url: string, cause: Error | undefined, waitedMs: number): Error {
  const address = withoutPassword(url);
  if (cause !== undefined && WRONG_CREDENTIALS.test(cause.message)) {
    const problem = `${address} refuses our credentials`;
    const remedy = 'put user and password into the address: redis://user:password@host:6379';
    return new ConfigError([{ setting: 'REDIS_URL', problem, remedy }], { cause });
  }
  const detail = cause ? ` (${cause.message})` : '';
  return new LifecycleError({
    code: 'store_unavailable',
    message: `no answer from ${address} within ${waitedMs} ms${detail}`,
    remediation: 'Check that Redis runs there and can be reached from here: redis-cli -u "$REDIS_URL" ping',
    retryable: true,
    cause,
  });
}
