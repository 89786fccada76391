/**
 * The one HTTP client of all drivers, on undici's Pool.
 *
 * It knows, for each request, whether bytes have left this process: a failure before that moment leaves
 * nothing behind (`effect: 'none'`), a failure after it may have been carried out (`'unknown'`), unless the
 * request only reads. undici calls `onRequestStart` with a connected socket, in the same tick in which it
 * writes the request (undici 7.30, lib/dispatcher/client-h1.js, `writeH1`); what throws there is never sent.
 *
 * A kept connection may have been closed by the other side without our knowing yet; what is written to it is lost,
 * and looks as if it had been sent. So changes go over a fresh connection each, where a server that is down is
 * known before anything is sent. Reads share kept connections, and a GET whose connection broke is repeated,
 * once. Nothing else ever is.
 */
import { buildConnector, type Dispatcher, Pool } from 'undici';
import type { ProviderName } from '../core/provider-name.ts';
import { networkFailure, SendDeadlinePassed, timeoutFailure } from './http-failure.ts';

export interface TlsOptions {
  readonly verify: boolean;
  /** PEM text of the authority to trust. */
  readonly ca?: string;
  /** SHA-256 of the one certificate to accept, with or without colons; replaces the chain check. */
  readonly fingerprint256?: string;
  /** What to tell a person when the certificate is not accepted. */
  readonly remediation?: string;
}

export interface HttpClientOptions {
  /** Named in errors; left out for probes of sandboxes. */
  readonly provider?: ProviderName;
  readonly baseUrl: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsOptions;
  /** For reads, and again for changes. */
  readonly maxConnections: number;
}

/** A list is sent as its key once for each. */
export type HttpParams = Readonly<Record<string, string | number | readonly string[] | undefined>>;

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Relative to the base URL, starting with a slash, its parts already encoded. */
  readonly path: string;
  readonly query?: HttpParams;
  readonly form?: HttpParams;
  readonly json?: unknown;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** On `performance.now()`'s clock: the bytes may not leave after this. */
  readonly sendBeforeMs?: number;
}

export interface HttpReply {
  readonly status: number;
  readonly statusText: string;
  readonly retryAfter?: string;
  readonly body: string;
  /** The body as JSON, `undefined` when it is none. */
  json(): unknown;
}

export interface HttpClient {
  /**
   * Any status is a reply. Throws a `ProviderError` when there was no reply (`unreachable`, `timed_out`), and
   * the abort reason when the signal aborted.
   */
  request(request: HttpRequest): Promise<HttpReply>;
  close(): Promise<void>;
}

/** Reads: Proxmox closes idle sockets after 5 s (pve-http-server, facts §7), so we let go first. */
const KEEP_ALIVE_MS = 3_500;
/** undici's word for no keep-alive. */
const NO_KEEP_ALIVE = 0;
/** Ten times the list of 1,000 Morph instances; a larger body is no answer to anything we ask. */
const MAX_BODY_BYTES = 32 * 1024 * 1024;

export function createHttpClient(options: HttpClientOptions): HttpClient {
  const base = new URL(options.baseUrl);
  const prefix = base.pathname.replace(/\/+$/, '');
  const shared = {
    connections: options.maxConnections,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    // Our own timers bound every request as a whole.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: createConnector(options.tls),
  };
  const reads = new Pool(base.origin, { ...shared, pipelining: 1 });
  const changes = new Pool(base.origin, { ...shared, pipelining: NO_KEEP_ALIVE });

  async function request(wanted: HttpRequest): Promise<HttpReply> {
    const wire = encode(wanted, prefix, options.headers);
    const pool = wanted.method === 'GET' ? reads : changes;
    try {
      return await exchange(pool, wire, wanted);
    } catch (failure) {
      if (!(failure instanceof ExchangeFailure)) throw failure;
      if (wanted.method === 'GET' && failure.connectionBroke) {
        return exchange(pool, wire, wanted).catch((again: unknown) => {
          throw explain(again, wanted);
        });
      }
      throw explain(failure, wanted);
    }
  }

  function explain(failure: unknown, wanted: HttpRequest): unknown {
    if (!(failure instanceof ExchangeFailure)) return failure;
    const facts = {
      provider: options.provider,
      // Without the query, which may hold values of the caller's.
      request: `${wanted.method} ${base.origin}${prefix}${wanted.path}`,
      mayHaveActed: failure.sent && wanted.method !== 'GET',
      tlsRemediation: options.tls.remediation,
    };
    return failure.timedOut
      ? timeoutFailure(facts, {
          sent: failure.sent,
          deadlinePassed: failure.cause instanceof SendDeadlinePassed,
        })
      : networkFailure(facts, failure.sent, failure.cause);
  }

  async function close(): Promise<void> {
    await Promise.all([reads.destroy(), changes.destroy()]);
  }

  return { request, close };
}

/** One exchange went wrong; `explain` turns it into a `ProviderError`. */
class ExchangeFailure extends Error {
  readonly sent: boolean;
  readonly timedOut: boolean;

  constructor(sent: boolean, timedOut: boolean, cause?: unknown) {
    super('exchange failed', { cause });
    this.sent = sent;
    this.timedOut = timedOut;
  }

  get connectionBroke(): boolean {
    const code = (this.cause as { code?: unknown } | undefined)?.code;
    return code === 'ECONNRESET' || code === 'EPIPE' || code === 'UND_ERR_SOCKET';
  }
}

interface Wire {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string | null;
}

function encode(request: HttpRequest, prefix: string, headers: Readonly<Record<string, string>>): Wire {
  const query = request.query ? encodeParams(request.query) : '';
  const path = prefix + request.path + (query === '' ? '' : `?${query}`);
  if (request.form !== undefined) {
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    return { path, headers: { ...headers, ...type }, body: encodeParams(request.form) };
  }
  if (request.json !== undefined) {
    const type = { 'content-type': 'application/json' };
    return { path, headers: { ...headers, ...type }, body: JSON.stringify(request.json) };
  }
  return { path, headers: { ...headers }, body: null };
}

function encodeParams(params: HttpParams): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined) pairs.append(name, String(one));
    }
  }
  return pairs.toString();
}

function exchange(pool: Pool, wire: Wire, request: HttpRequest): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    const { signal, timeoutMs, sendBeforeMs } = request;
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    let sent = false;
    let settled = false;
    let controller: Dispatcher.DispatchController | undefined;
    const reply = createReplyReader();
    const timer = setTimeout(() => giveUp(new ExchangeFailure(sent, true)), timeoutMs);
    const sendTimer =
      sendBeforeMs === undefined
        ? undefined
        : setTimeout(() => {
            if (!sent) giveUp(new ExchangeFailure(false, true, new SendDeadlinePassed()));
          }, sendBeforeMs - performance.now());
    const onAbort = () => giveUp(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });

    function settle(finish: () => void): void {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      clearTimeout(sendTimer);
      signal.removeEventListener('abort', onAbort);
      finish();
    }
    function giveUp(reason: unknown): void {
      settle(() => reject(reason));
      controller?.abort(new Error('given up'));
    }

    pool.dispatch(
      { method: request.method, path: wire.path, headers: wire.headers, body: wire.body },
      {
        onRequestStart(started) {
          // Thrown here, nothing is written and the socket stays usable.
          if (settled) throw new Error('given up before sending');
          if (sendBeforeMs !== undefined && performance.now() > sendBeforeMs) throw new SendDeadlinePassed();
          controller = started;
          sent = true;
        },
        onResponseStart: (_controller, status, headers, statusText) => {
          reply.start(status, statusText ?? '', headers);
        },
        onResponseData: (_controller, chunk) => reply.add(chunk),
        onResponseEnd: () => settle(() => resolve(reply.finish())),
        onResponseError: (_controller, error) =>
          settle(() => reject(new ExchangeFailure(sent, error instanceof SendDeadlinePassed, error))),
      },
    );
  });
}

interface ReplyReader {
  start(status: number, statusText: string, headers: Record<string, string | string[] | undefined>): void;
  add(chunk: Buffer): void;
  finish(): HttpReply;
}

function createReplyReader(): ReplyReader {
  let head = { status: 0, statusText: '' };
  let retryAfter: string | undefined;
  let chunks: Buffer[] = [];
  let bytes = 0;
  return {
    start(status, statusText, headers) {
      head = { status, statusText };
      const wish = headers['retry-after'];
      retryAfter = Array.isArray(wish) ? wish[0] : wish;
      chunks = [];
      bytes = 0;
    },
    add(chunk) {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) throw new Error(`the reply is larger than ${MAX_BODY_BYTES} bytes`);
      chunks.push(chunk);
    },
    finish() {
      const body = Buffer.concat(chunks).toString('utf8');
      return {
        ...head,
        ...(retryAfter === undefined ? {} : { retryAfter }),
        body,
        json: () => parseJson(body),
      };
    },
  };
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function createConnector(tls: TlsOptions): buildConnector.connector {
  const pinned = tls.fingerprint256 === undefined ? undefined : plainFingerprint(tls.fingerprint256);
  const connect = buildConnector({
    rejectUnauthorized: tls.verify && pinned === undefined,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
  });
  if (pinned === undefined) return connect;
  return (options, done) => {
    connect(options, (...[error, socket]) => {
      if (error !== null) {
        done(error, null);
        return;
      }
      const seen = 'getPeerCertificate' in socket ? socket.getPeerCertificate().fingerprint256 : undefined;
      if (seen !== undefined && plainFingerprint(seen) !== pinned) {
        socket.destroy();
        const message = `the certificate's fingerprint is ${seen}, not the pinned one`;
        done(Object.assign(new Error(message), { code: 'ERR_TLS_FINGERPRINT' }), null);
        return;
      }
      done(null, socket);
    });
  };
}

function plainFingerprint(fingerprint: string): string {
  return fingerprint.replaceAll(':', '').toLowerCase();
}
