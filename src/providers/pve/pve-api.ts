import type { z } from 'zod';
import type { ProviderName } from '../../core/provider-name.ts';
import {
  createHttpClient,
  type HttpClient,
  type HttpParams,
  type HttpReply,
  type TlsOptions,
} from '../http-client.ts';
import { type InFlightLimits, limitInFlight } from '../in-flight.ts';
import type { ProviderCall } from '../provider.ts';
import { ProviderError } from '../provider-error.ts';
import { refusedRequest } from './pve-errors.ts';

export interface PveHttpOptions {
  readonly provider: ProviderName;
  /** Such as `https://pve.example.com:8006`; a trailing `/api2/json` is accepted. */
  readonly apiUrl: string;
  /** `USER@REALM!TOKENID=SECRET`. */
  readonly apiToken: string;
  readonly tls: TlsOptions;
  /** Requests under way at a time, at the endpoint and at one node. Default: `PVE_IN_FLIGHT`. */
  readonly inFlight?: InFlightLimits;
}

/**
 * A node works on three requests at a time, each of which may block for seconds, and pveproxy has three workers
 * of its own (facts §7): one more for each keeps them busy, and a crowd waits here, where it can be seen, instead
 * of running into the proxy's 30 s. Twelve at the endpoint are three busy nodes.
 */
export const PVE_IN_FLIGHT: InFlightLimits = { total: 12, perGroup: 4 };

/** The connection to one PVE endpoint, with its limits; `pve-vm` and `pve-lxc` on one host share it. */
export function createPveHttpClient(options: PveHttpOptions): HttpClient {
  const token = options.apiToken.replace(/^PVEAPIToken[= ]/, '');
  const inFlight = options.inFlight ?? PVE_IN_FLIGHT;
  const http = createHttpClient({
    provider: options.provider,
    baseUrl: `${options.apiUrl.replace(/\/+$/, '').replace(/\/api2\/json$/, '')}/api2/json`,
    headers: { authorization: `PVEAPIToken=${token}` },
    tls: { remediation: TLS_REMEDIATION, ...options.tls },
    maxConnections: inFlight.total,
  });
  return limitInFlight(http, inFlight, ({ path }) => /^\/nodes\/([^/]+)\//.exec(path)?.[1]);
}

const TLS_REMEDIATION =
  'Proxmox signs its own certificates: give its authority (/etc/pve/pve-root-ca.pem on a node) as PVE_CA_FILE, ' +
  'pin the certificate, or set PVE_VERIFY_TLS=false to accept any (cmux did so by default).';

export interface PveChange {
  /** The name of the step under which it runs. */
  readonly step: string;
  readonly method: 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly params?: HttpParams;
}

export interface PveApi {
  /** GET, parsed. A failed read leaves nothing behind: its effect is always `none`. */
  read<T extends z.ZodType>(
    path: string,
    schema: T,
    call: Pick<ProviderCall, 'signal'>,
    query?: HttpParams,
  ): Promise<z.output<T>>;
  /** One request that changes something, inside its step; parsed. */
  change<T extends z.ZodType>(change: PveChange, schema: T, call: ProviderCall): Promise<z.output<T>>;
}

/** Longer than the 30 s after which pveproxy itself gives up with 596 (facts §1), so that we hear that. */
const REQUEST_TIMEOUT_MS = 35_000;

export function createPveApi(
  http: HttpClient,
  options: { readonly provider: ProviderName; readonly requestTimeoutMs?: number },
): PveApi {
  const timeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;

  function parse<T extends z.ZodType>(
    reply: HttpReply,
    schema: T,
    what: string,
    changes: boolean,
  ): z.output<T> {
    const body = asObject(reply.json());
    if (reply.status !== 200) {
      throw refusedRequest({
        provider: options.provider,
        what,
        status: reply.status,
        text: refusalText(reply, body),
        changes,
        ...retryAfter(reply),
      });
    }
    const parsed = schema.safeParse(body?.data);
    if (parsed.success) return parsed.data;
    throw new ProviderError({
      kind: 'provider_error',
      effect: changes ? 'unknown' : 'none',
      message: `${what} was answered with something that is not Proxmox VE's reply`,
      remediation: 'Check PVE_API_URL, and that nothing between here and there rewrites replies.',
      provider: options.provider,
      cause: parsed.error,
    });
  }

  return {
    async read(path, schema, call, query) {
      const reply = await http.request({
        method: 'GET',
        path,
        timeoutMs,
        signal: call.signal,
        ...(query === undefined ? {} : { query }),
      });
      return parse(reply, schema, `GET ${path}`, false);
    },
    change({ step, method, path, params }, schema, call) {
      return call.step(step, async (sendBeforeMs) => {
        // DELETE takes its parameters in the query and refuses a body with 501 (facts §1).
        const carried = method === 'DELETE' ? { query: params ?? {} } : { form: params ?? {} };
        const reply = await http.request({
          method,
          path,
          ...carried,
          timeoutMs,
          sendBeforeMs,
          signal: call.signal,
        });
        return parse(reply, schema, `${method} ${path}`, true);
      });
    },
  };
}

type ReplyBody = Readonly<Record<string, unknown>> | undefined;

function asObject(value: unknown): ReplyBody {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}

/**
 * The message is in the body since libpve-http-server-perl 5.2.0, before that in the reason phrase only;
 * what is wrong with which parameter is in `errors` (facts §1).
 */
function refusalText(reply: HttpReply, body: ReplyBody): string {
  const message = typeof body?.message === 'string' ? body.message.trim() : '';
  const errors = asObject(body?.errors);
  const details = Object.entries(errors ?? {}).map(([name, text]) => `${name}: ${String(text).trim()}`);
  return [message || reply.statusText, ...details].join(' ').replaceAll('\n', ' ');
}

function retryAfter(reply: HttpReply): { readonly retryAfterMs?: number } {
  const seconds = Number(reply.retryAfter);
  return reply.retryAfter !== undefined && Number.isFinite(seconds) ? { retryAfterMs: seconds * 1000 } : {};
}
