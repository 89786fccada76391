import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  createHttpClient,
  type HttpClient,
  type HttpClientOptions,
} from '../../src/providers/http-client.ts';
import { failureOf } from './rig.ts';

const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function clientFor(baseUrl: string, options: Partial<HttpClientOptions> = {}): HttpClient {
  const client = createHttpClient({
    provider: 'pve-vm',
    baseUrl,
    headers: { authorization: 'Bearer top-secret' },
    tls: { verify: true },
    maxConnections: 2,
    ...options,
  });
  closers.push(() => client.close());
  return client;
}

async function serve(listener: RequestListener, options: Partial<HttpClientOptions> = {}) {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    listener(request, response);
  });
  const client = clientFor(`http://${await listen(server)}/base`, options);
  return { client, seen };
}

const ask = { timeoutMs: 5_000, signal: new AbortController().signal };

describe('http client', () => {
  it('sends query and form, and reads status, reason phrase and JSON', async () => {
    let body = '';
    const { client, seen } = await serve((request, response) => {
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        response.writeHead(500, 'CT is locked (disk)', { 'content-type': 'application/json' });
        response.end('{"data":null}');
      });
    });
    const reply = await client.request({
      ...ask,
      method: 'POST',
      path: '/x',
      query: { a: 1 },
      form: { b: 'ü ' },
    });
    expect(seen).toEqual(['POST /base/x?a=1']);
    expect(body).toBe('b=%C3%BC+');
    expect(reply).toMatchObject({ status: 500, statusText: 'CT is locked (disk)' });
    expect(reply.json()).toEqual({ data: null });
  });

  it('answers undefined for a body that is no JSON', async () => {
    const { client } = await serve((_, response) => response.end('<html>'));
    expect((await client.request({ ...ask, method: 'GET', path: '/' })).json()).toBeUndefined();
  });

  it('repeats a GET whose connection broke once, and no more', async () => {
    const { client, seen } = await serve((request) => request.socket.destroy());
    const failure = await failureOf(client.request({ ...ask, method: 'GET', path: '/x' }));
    expect(failure).toMatchObject({ kind: 'unreachable', effect: 'none' });
    expect(seen).toHaveLength(2);
  });

  it.each(['POST', 'PUT', 'DELETE'] as const)(
    'never repeats a %s, whose effect is then unknown',
    async (method) => {
      const { client, seen } = await serve((request) => request.socket.destroy());
      const failure = await failureOf(client.request({ ...ask, method, path: '/x' }));
      expect(failure).toMatchObject({ kind: 'unreachable', effect: 'unknown' });
      expect(seen).toHaveLength(1);
    },
  );

  it('opens a fresh connection for each change, so that a closed one is never written to', async () => {
    const ports = new Set<number | undefined>();
    const { client } = await serve((request, response) => {
      ports.add(request.socket.remotePort);
      response.end('{}');
    });
    for (let count = 0; count < 3; count += 1) await client.request({ ...ask, method: 'POST', path: '/x' });
    expect(ports.size).toBe(3);
  });

  it('says that nothing happened when nobody listens', async () => {
    const client = clientFor('http://127.0.0.1:1');
    const failure = await failureOf(client.request({ ...ask, method: 'POST', path: '/x' }));
    expect(failure).toMatchObject({ kind: 'unreachable', effect: 'none' });
    expect(failure.remediation).toContain('Nothing listens');
  });

  it.each([
    ['GET', 'none'],
    ['POST', 'unknown'],
  ] as const)('times out a %s that is not answered with effect %s', async (method, effect) => {
    const { client } = await serve(() => {});
    const failure = await failureOf(client.request({ ...ask, timeoutMs: 50, method, path: '/x' }));
    expect(failure).toMatchObject({ kind: 'timed_out', effect });
    expect(failure).not.toHaveProperty('neverLeft');
  });

  it('times out a body that stops in its middle', async () => {
    const { client } = await serve((_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{');
    });
    const failure = await failureOf(client.request({ ...ask, timeoutMs: 50, method: 'POST', path: '/x' }));
    expect(failure).toMatchObject({ kind: 'timed_out', effect: 'unknown' });
  });

  it('rejects with the abort reason, before and after sending', async () => {
    const { client, seen } = await serve(() => {});
    const reason = new Error('lease lost');
    const early = client.request({ ...ask, method: 'POST', path: '/x', signal: AbortSignal.abort(reason) });
    await expect(early).rejects.toBe(reason);
    expect(seen).toEqual([]);
    const controller = new AbortController();
    const late = client.request({ ...ask, method: 'POST', path: '/x', signal: controller.signal });
    setTimeout(() => controller.abort(reason), 20);
    await expect(late).rejects.toBe(reason);
  });

  it('does not send what waited for a connection past its send deadline', async () => {
    const { client, seen } = await serve(() => {}, { maxConnections: 1 });
    const hanging = client.request({ ...ask, timeoutMs: 1_000, method: 'POST', path: '/first' });
    const waiting = client.request({
      ...ask,
      method: 'POST',
      path: '/second',
      sendBeforeMs: performance.now() + 50,
    });
    expect(await failureOf(waiting)).toMatchObject({ kind: 'timed_out', effect: 'none', neverLeft: true });
    await failureOf(hanging);
    expect(seen).toEqual(['POST /base/first']);
  });

  it('does not send what was aborted while it waited for a connection', async () => {
    const { client, seen } = await serve(() => {}, { maxConnections: 1 });
    const hanging = client.request({ ...ask, timeoutMs: 100, method: 'POST', path: '/first' });
    const controller = new AbortController();
    const waiting = client.request({ ...ask, method: 'POST', path: '/second', signal: controller.signal });
    controller.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    await failureOf(hanging);
    // A third request shows that the connection has moved on past the second.
    await failureOf(client.request({ ...ask, timeoutMs: 100, method: 'POST', path: '/third' }));
    expect(seen).toEqual(['POST /base/first', 'POST /base/third']);
  });

  it('keeps headers and query out of its errors', async () => {
    const { client } = await serve((request) => request.socket.destroy());
    const work = client.request({ ...ask, method: 'POST', path: '/x', query: { token: 'also-secret' } });
    const error: unknown = await work.catch((reason: unknown) => reason);
    expect(inspectDeeply(error)).not.toContain('secret');
  });
});

describe('http client over TLS', () => {
  const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
  const cert = fixture('test-only-certificate.pem');
  const pin = new X509Certificate(cert).fingerprint256;

  async function request(tls: HttpClientOptions['tls']) {
    const server = createTlsServer({ cert, key: fixture('test-only-key.pem') }, (_, response) => {
      response.end('{}');
    });
    const client = clientFor(`https://${await listen(server)}`, { tls });
    return client.request({ ...ask, method: 'POST', path: '/' });
  }

  it('refuses a certificate that nobody vouches for and says what to do', async () => {
    const failure = await failureOf(request({ verify: true, remediation: 'set PVE_CA_FILE' }));
    expect(failure).toMatchObject({ kind: 'unreachable', effect: 'none', remediation: 'set PVE_CA_FILE' });
  });

  it.each([
    ['its authority is given', { verify: true, ca: cert }],
    ['verification is off', { verify: false }],
    ['its fingerprint is pinned', { verify: true, fingerprint256: pin }],
    ['its fingerprint is pinned without colons', { verify: true, fingerprint256: pin.replaceAll(':', '') }],
  ])('accepts it when %s', async (_, tls) => {
    expect((await request(tls)).status).toBe(200);
  });

  it('refuses a certificate other than the pinned one, even with verification off', async () => {
    const failure = await failureOf(request({ verify: false, fingerprint256: 'AA'.repeat(32) }));
    expect(failure).toMatchObject({ kind: 'unreachable', effect: 'none' });
    expect(failure.message).toContain('fingerprint');
  });
});

function inspectDeeply(value: unknown): string {
  if (!(value instanceof Error)) return String(value);
  const { report } = value as { report?: unknown };
  return [value.stack, JSON.stringify(value), JSON.stringify(report), inspectDeeply(value.cause)].join('\n');
}
