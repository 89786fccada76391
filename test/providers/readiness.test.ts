import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Endpoint } from '../../src/core/guest.ts';
import { waitUntilUsable } from '../../src/providers/readiness.ts';
import { failureOf } from './rig.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function serve(name: string, listener: RequestListener): Promise<Endpoint> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { name, port, url: `http://127.0.0.1:${port}/health` };
}

const signal = new AbortController().signal;

describe('waitUntilUsable', () => {
  it('waits until a service behind a gateway comes up', async () => {
    let asked = 0;
    const endpoint = await serve('vscode', (_, response) => {
      asked += 1;
      response.writeHead(asked < 4 ? 502 : 200).end();
    });
    await waitUntilUsable([endpoint], { signal, timeoutMs: 10_000 });
    expect(asked).toBe(4);
  });

  it.each([200, 302, 401, 404, 426])('takes %i for a service that is up', async (status) => {
    const endpoint = await serve('vnc', (_, response) => response.writeHead(status).end());
    await waitUntilUsable([endpoint], { signal, timeoutMs: 10_000 });
  });

  it('names the ports that did not answer, and how, while others did', async () => {
    const up = await serve('vscode', (_, response) => response.end());
    const broken = await serve('worker', (_, response) => response.writeHead(503).end());
    const silent = await serve('cdp', () => {});
    const closed = { name: 'vnc', port: 1, url: 'http://127.0.0.1:1/' };
    const work = waitUntilUsable([up, broken, silent, closed], {
      signal,
      timeoutMs: 200,
      provider: 'pve-vm',
    });
    const failure = await failureOf(work);
    expect(failure).toMatchObject({ kind: 'never_usable', effect: 'applied', provider: 'pve-vm' });
    expect(failure.message).toContain(`port ${broken.port} (worker) answers 503`);
    expect(failure.message).toContain(`port ${silent.port} (cdp) does not answer`);
    expect(failure.message).toContain('port 1 (vnc) does not accept connections');
    expect(failure.message).not.toContain('vscode');
  });

  it('asks nothing more once a service has answered', async () => {
    let asked = 0;
    const quick = await serve('vscode', (_, response) => {
      asked += 1;
      response.end();
    });
    const slow = await serve('worker', (_, response) => response.writeHead(503).end());
    await failureOf(waitUntilUsable([quick, slow], { signal, timeoutMs: 300 }));
    expect(asked).toBe(1);
  });

  it('ends with the abort reason', async () => {
    const silent = await serve('cdp', () => {});
    const controller = new AbortController();
    const reason = new Error('claim lost');
    const work = waitUntilUsable([silent], { signal: controller.signal, timeoutMs: 60_000 });
    setTimeout(() => controller.abort(reason), 20);
    await expect(work).rejects.toBe(reason);
  });

  it('returns at once when there is nothing to wait for', async () => {
    await waitUntilUsable([], { signal, timeoutMs: 1 });
  });
});
