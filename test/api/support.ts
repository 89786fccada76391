/** The API over real HTTP, on a system of the test's own. Who asks is said in a header. */
import { Hono } from 'hono';
import { pino } from 'pino';
import { expect } from 'vitest';
import type { z } from 'zod';
import type { Principal } from '../../src/core/principal.ts';
import { type HttpServer, startHttpServer } from '../../src/dashboard/http-server.ts';
import { connectAgain } from '../../src/platform/redis.ts';
import type { AccessEnv } from '../../src/producers/access/access-env.ts';
import { createTokens } from '../../src/producers/access/tokens.ts';
import { createAutomationService } from '../../src/producers/automation-service.ts';
import { createApi } from '../../src/producers/http/app.ts';
import { DEFAULT_STREAM_OPTIONS, type EventStreamOptions } from '../../src/producers/http/events.ts';
import { errorSchema } from '../../src/producers/http/schemas.ts';
import { createLifecycleService } from '../../src/producers/lifecycle-service.ts';
import { createQueues } from '../../src/queues/queues.ts';
import { createSubmitter } from '../../src/queues/submit-operation.ts';
import { createSweepControl } from '../../src/queues/sweep-queues.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { startTestSystem, type TestSystem, type TestSystemOptions } from '../support/system.ts';

export const ADMIN: Principal = { name: 'test-admin', role: 'admin' };

export interface TestApi {
  readonly url: string;
  readonly test: TestSystem;
  /** The API's own store: its commands fail while Redis is away. */
  readonly store: Store;
  /** What the API logged as crashes. */
  readonly crashes: readonly unknown[];
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** The server alone goes and comes back, on the same port. */
  restartServer(): Promise<void>;
  close(): Promise<void>;
}

export interface CallOptions {
  readonly body?: unknown;
  /** Sent as it is. */
  readonly raw?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly as?: Principal;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely
  readonly body: any;
}

export async function startTestApi(
  options: TestSystemOptions & { readonly streams?: Partial<EventStreamOptions> } = {},
): Promise<TestApi> {
  const test = await startTestSystem(options);
  const crashes: unknown[] = [];
  let running = await serve();
  const { port } = new URL(running.server.url);

  async function serve(fixedPort = 0) {
    const redis = await connectAgain(test.system.store.redis, { role: 'producer' });
    const store = createStore(redis, test.options.deployment);
    const queues = createQueues(redis, store.keys);
    const submitter = createSubmitter({ store, queues, nowMs: Date.now });
    const service = createLifecycleService({ store, submitter, nowMs: Date.now });
    const log = pino({ level: 'error' }, { write: (line: string) => void crashes.push(line) });
    const app = new Hono<AccessEnv>();
    app.use(async (context, next) => {
      const given = context.req.header('x-test-principal');
      context.set('principal', given === undefined ? ADMIN : (JSON.parse(given) as Principal));
      await next();
    });
    const tokens = createTokens(store.access, Date.now);
    const streams = { ...DEFAULT_STREAM_OPTIONS, ...options.streams };
    app.route(
      '/',
      createApi(
        {
          service,
          events: store.events,
          webhook: store.webhook,
          sweeps: createSweepControl({ ...store, nowMs: Date.now }),
          automation: createAutomationService(store, Date.now),
          access: { tokens, audit: store.audit },
          log,
        },
        streams,
      ),
    );
    const server: HttpServer = await startHttpServer(app, { host: '127.0.0.1', port: fixedPort });
    return {
      server,
      store,
      async close() {
        await server.close();
        await queues.close();
        await store.close();
        redis.disconnect();
      },
    };
  }

  return {
    url: running.server.url,
    test,
    get store() {
      return running.store;
    },
    crashes,
    call: (method, path, call) => callApi(running.server.url, method, path, call),
    async restartServer() {
      await running.close();
      running = await serve(Number(port));
    },
    async close() {
      await running.close();
      await test.close();
    },
  };
}

export async function callApi(
  url: string,
  method: string,
  path: string,
  { body, raw, headers = {}, as, signal }: CallOptions = {},
): Promise<Answer> {
  const text = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const reply = await fetch(url + path, {
    method,
    headers: {
      ...(text === undefined ? {} : { 'content-type': 'application/json' }),
      ...(as ? { 'x-test-principal': JSON.stringify(as) } : {}),
      ...headers,
    },
    ...(text === undefined ? {} : { body: text }),
    ...(signal ? { signal } : {}),
  });
  const answer = await reply.text();
  return {
    status: reply.status,
    headers: reply.headers,
    body: answer === '' ? undefined : (JSON.parse(answer) as unknown),
  };
}

/** The answer has exactly the documented shape: nothing missing, nothing that the document does not know. */
export function expectShape(schema: z.ZodType, body: unknown): void {
  expect(schema.parse(body)).toEqual(body);
}

export function expectError(answer: Answer, status: number, code: string): void {
  expect({ status: answer.status, code: answer.body?.code, message: answer.body?.message }).toEqual({
    status,
    code,
    message: expect.any(String),
  });
  expectShape(errorSchema, answer.body);
}
