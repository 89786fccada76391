import { z } from 'zod';
import { createHttpClient, type HttpClient, type HttpParams, type HttpRequest } from '../http-client.ts';
import type { ProviderCall } from '../provider.ts';
import { ProviderError } from '../provider-error.ts';
import { morphDetail, parseRetryAfterMs, refusedMorphRequest } from './morph-errors.ts';

/** What we read of an instance, and no more (facts A2). A field that is not there is not an error. */
export const instanceSchema = z.object({
  id: z.string(),
  created: z.number().optional(),
  spec: z.object({ vcpus: z.number(), memory: z.number(), disk_size: z.number() }).nullish(),
  status: z.string().nullish(),
  metadata: z
    .record(z.string(), z.string())
    .nullish()
    .transform((metadata) => metadata ?? {}),
  networking: z
    .object({
      http_services: z.array(z.object({ name: z.string(), port: z.number(), url: z.string() })).nullish(),
    })
    .nullish(),
  ttl: z
    .object({
      ttl_seconds: z.number().nullish(),
      ttl_expire_at: z.number().nullish(),
      ttl_action: z.string().nullish(),
    })
    .nullish(),
  wake_on: z.object({ wake_on_http: z.boolean().nullish(), wake_on_ssh: z.boolean().nullish() }).nullish(),
});
export type MorphInstance = z.infer<typeof instanceSchema>;

const instanceListSchema = z.object({ data: z.array(instanceSchema) });

/** Times are in seconds, amounts in whole cents (facts A3). */
const usageSchema = z.object({
  services: z.array(
    z.object({
      resource_types: z.array(
        z.object({
          buckets: z.array(z.object({ period_start: z.number(), period_end: z.number(), cents: z.number() })),
        }),
      ),
    }),
  ),
});
export type MorphUsage = z.infer<typeof usageSchema>;

export interface MorphHttpOptions {
  readonly apiKey: string;
  /** Default `https://cloud.morph.so/api`. */
  readonly baseUrl?: string;
  readonly maxConnections: number;
}

export function createMorphHttpClient(options: MorphHttpOptions): HttpClient {
  return createHttpClient({
    provider: 'morph',
    baseUrl: options.baseUrl ?? 'https://cloud.morph.so/api',
    headers: { authorization: `Bearer ${options.apiKey}` },
    tls: { verify: true },
    maxConnections: options.maxConnections,
  });
}

export interface MorphApi {
  /** `undefined`: there is no such instance, which on Morph means that it is gone (facts A3). */
  find(id: string, call: ProviderCall): Promise<MorphInstance | undefined>;
  /** All that carry this metadata; everything without a filter. One page: Morph does not paginate here. */
  list(metadata: Readonly<Record<string, string>>, call: ProviderCall): Promise<readonly MorphInstance[]>;
  change(change: MorphChange, call: ProviderCall): Promise<MorphInstance | undefined>;
  check(call: ProviderCall): Promise<void>;
  /** Of all services, for the time before now, such as `5d`. */
  usage(interval: string, call: ProviderCall): Promise<MorphUsage>;
}

export interface MorphChange {
  readonly step: string;
  readonly method: 'POST' | 'DELETE';
  readonly path: string;
  readonly query?: HttpParams;
  readonly json?: unknown;
  /** A setting is answered at once; the sandbox is not to wait behind it for long. */
  readonly quick?: true;
}

/** Reads answer at once; a list of 1,000 instances is about 1 MB. */
const READ_TIMEOUT_MS = 15_000;
/** A pause is answered when the memory is written (facts A3, "synchronous snapshot"). */
const CHANGE_TIMEOUT_MS = 120_000;

export function createMorphApi(http: HttpClient, options: { readonly requestTimeoutMs?: number }): MorphApi {
  const readTimeoutMs = options.requestTimeoutMs ?? READ_TIMEOUT_MS;
  const changeTimeoutMs = options.requestTimeoutMs ?? CHANGE_TIMEOUT_MS;

  async function ask<T extends z.ZodType>(request: HttpRequest, schema: T): Promise<z.output<T>> {
    const reply = await http.request(request);
    const what = `${request.method} ${request.path}`;
    const changes = request.method !== 'GET';
    const body = reply.json();
    if (reply.status < 200 || reply.status > 299) {
      const retryAfterMs = parseRetryAfterMs(reply.retryAfter, Date.now());
      throw refusedMorphRequest({
        what,
        // A 404 without Morph's own JSON comes from something in between, and proves no absence.
        status: reply.status === 404 && body === undefined ? 0 : reply.status,
        detail: morphDetail(body) || reply.statusText,
        changes,
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      });
    }
    const parsed = schema.safeParse(body);
    if (parsed.success) return parsed.data;
    throw new ProviderError({
      kind: 'provider_error',
      effect: changes ? 'unknown' : 'none',
      message: `${what} was answered with something that is not Morph's reply`,
      remediation: 'Check MORPH_API_BASE_URL.',
      provider: 'morph',
      cause: parsed.error,
    });
  }

  const read = <T extends z.ZodType>(path: string, schema: T, call: ProviderCall, query: HttpParams = {}) =>
    ask({ method: 'GET', path, query, timeoutMs: readTimeoutMs, signal: call.signal }, schema);

  return {
    async find(id, call) {
      try {
        return await read(`/instance/${encodeURIComponent(id)}`, instanceSchema, call);
      } catch (error) {
        if (error instanceof ProviderError && error.report.kind === 'not_found') return undefined;
        throw error;
      }
    },
    async list(metadata, call) {
      const filters = Object.entries(metadata).map(([key, value]) => [`metadata[${key}]`, value] as const);
      return (await read('/instance', instanceListSchema, call, Object.fromEntries(filters))).data;
    },
    change({ step, quick, ...request }, call) {
      return call.step(step, (sendBeforeMs) =>
        ask(
          {
            ...request,
            timeoutMs: quick ? readTimeoutMs : changeTimeoutMs,
            sendBeforeMs,
            signal: call.signal,
          },
          request.method === 'DELETE' ? z.unknown().transform(() => undefined) : instanceSchema,
        ),
      );
    },
    usage: (interval, call) => read('/user/service/usage', usageSchema, call, { interval }),
    async check(call) {
      await read('/instance/list', z.unknown(), call, { page: 1, limit: 1 });
    },
  };
}
