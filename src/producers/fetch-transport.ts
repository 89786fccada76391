/**
 * One request of the fetch client. Sends it again, a bounded number of times, when nobody knows whether it
 * arrived: reads are harmless, and changes carry an idempotency key, so that they happen once.
 *
 * Reaches nothing but core and the web platform (`fetch`, `URL`, `AbortController`, timers, `crypto`), so
 * that it runs in Node, Bun, Deno, Convex and at the edge.
 */
import { LifecycleError, type LifecycleErrorCode } from '../core/lifecycle-error.ts';

export interface FetchTransportOptions {
  /** Where `cmux-lifecycle serve` answers, such as `https://lifecycle.example.com`. */
  readonly baseUrl: string;
  /** Sent as a bearer token. */
  readonly token?: string;
  /** Default: the global one. */
  readonly fetch?: typeof globalThis.fetch;
}

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  readonly idempotencyKey?: string;
  /** How long the server was asked to wait; the answer is given this much more time. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

export type Send = (request: ApiRequest) => Promise<ApiAnswer>;

/** One lost packet or one restarted server is bridged; an outage is the caller's to know. */
const MAX_TRIES = 4;
const FIRST_PAUSE_MS = 250;
/** How long an answer may take beyond the wait that was asked for. */
const ANSWER_WITHIN_MS = 15_000;
/** A proxy's word for a server that is away, as far as the body is not ours. */
const AWAY: ReadonlySet<number> = new Set([502, 503, 504, 520, 521, 522, 523, 524, 530]);

export function createTransport({ baseUrl, token, fetch = globalThis.fetch }: FetchTransportOptions): Send {
  const base = baseUrl.replace(/\/+$/, '');

  async function tryOnce(request: ApiRequest): Promise<ApiAnswer | Unreached> {
    const { method, path, body, idempotencyKey, waitMs = 0, signal } = request;
    const deadline = startDeadline(waitMs + ANSWER_WITHIN_MS, signal);
    try {
      const reply = await fetch(base + path + formatQuery(request.query), {
        method,
        headers: {
          accept: 'application/json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: deadline.signal,
      });
      const parsed = parseJson(await reply.text());
      if (reply.ok && parsed !== undefined) return { status: reply.status, body: parsed };
      if (isErrorBody(parsed)) throw asError(parsed);
      const why = `${method} ${path} was answered ${reply.status} by something else than cmux-lifecycle`;
      if (AWAY.has(reply.status)) return { unreached: new Error(why) };
      throw unreachable(base, new Error(why));
    } catch (error) {
      if (error instanceof LifecycleError) throw error;
      signal?.throwIfAborted();
      return { unreached: error };
    } finally {
      deadline.stop();
    }
  }

  return async (request) => {
    for (let tries = 1; ; tries += 1) {
      request.signal?.throwIfAborted();
      const answer = await tryOnce(request);
      if (!('unreached' in answer)) return answer;
      if (tries >= MAX_TRIES) throw unreachable(base, answer.unreached);
      await pause(FIRST_PAUSE_MS * 2 ** (tries - 1), request.signal);
    }
  };
}

interface Unreached {
  readonly unreached: unknown;
}

/** `AbortSignal.any` and `.timeout` are not everywhere yet. */
function startDeadline(afterMs: number, signal: AbortSignal | undefined) {
  const controller = new AbortController();
  const abort = () => controller.abort(signal?.reason);
  const timer = setTimeout(() => controller.abort(new Error(`no answer within ${afterMs} ms`)), afterMs);
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort);
  return {
    signal: controller.signal,
    stop() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    },
  };
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}

function formatQuery(query: ApiRequest['query'] = {}): string {
  const parts = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`],
  );
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

interface ErrorLike {
  readonly code: LifecycleErrorCode;
  readonly message: string;
  readonly retryable?: unknown;
  readonly operationId?: string;
  readonly sandboxId?: string;
  readonly remediation?: string;
  readonly cause?: unknown;
}

function isErrorBody(body: unknown): body is ErrorLike {
  if (typeof body !== 'object' || body === null || !('code' in body) || !('message' in body)) return false;
  return typeof body.code === 'string' && typeof body.message === 'string';
}

/** A code of a newer server is told as it came: `code` is what callers switch on. */
function asError(body: ErrorLike): LifecycleError {
  return new LifecycleError({
    code: body.code,
    message: body.message,
    retryable: body.retryable === true,
    ...(body.operationId === undefined ? {} : { operationId: body.operationId }),
    ...(body.sandboxId === undefined ? {} : { sandboxId: body.sandboxId }),
    ...(body.remediation === undefined ? {} : { remediation: body.remediation }),
    ...(body.cause === undefined ? {} : { cause: body.cause }),
  });
}

function unreachable(base: string, cause: unknown): LifecycleError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new LifecycleError({
    code: 'api_unreachable',
    message: `no answer from ${base}: ${detail}`,
    remediation: 'Check the address and that the server runs, then try again with the same idempotency key.',
    retryable: true,
    cause,
  });
}
