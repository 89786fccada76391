/** What is under way at a time, and who waits how. */
import { describe, expect, it } from 'vitest';
import type { HttpClient, HttpReply, HttpRequest } from '../../src/providers/http-client.ts';
import { limitInFlight } from '../../src/providers/in-flight.ts';
import { failureOf, startGuest, startPveVmRig } from './rig.ts';

const REPLY: HttpReply = { status: 200, statusText: 'OK', body: '', json: () => undefined };

/** Answers when it is told to, in the order in which it was asked. */
function heldBack() {
  const open: { readonly path: string; readonly answer: () => void }[] = [];
  const asked: HttpRequest[] = [];
  const http: HttpClient = {
    request: (request) =>
      new Promise((resolve) => {
        asked.push(request);
        open.push({ path: request.path, answer: () => resolve(REPLY) });
      }),
    close: async () => {},
  };
  const answerFirst = async () => {
    open.shift()?.answer();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { http, asked, paths: () => asked.map(({ path }) => path), answerFirst };
}

const get = (path: string, changes: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'GET',
  path,
  timeoutMs: 5_000,
  signal: new AbortController().signal,
  ...changes,
});
const nodeOf = ({ path }: HttpRequest) => /^\/([a-z])/.exec(path)?.[1];

describe('a limit on what is under way', () => {
  it('lets as many through as the group and the whole allow, then the next in order', async () => {
    const { http, paths, answerFirst } = heldBack();
    const limited = limitInFlight(http, { total: 3, perGroup: 2 }, nodeOf);
    for (const path of ['/a1', '/a2', '/a3', '/b1', '/b2']) void limited.request(get(path));
    await new Promise((resolve) => setImmediate(resolve));
    expect(paths()).toEqual(['/a1', '/a2', '/b1']);
    await answerFirst();
    await answerFirst();
    expect(paths()).toHaveLength(5);
    expect(paths().slice(3).toSorted()).toEqual(['/a3', '/b2']);
  });

  it('lets changes go before reads: their fence waits for nobody', async () => {
    const { http, paths, answerFirst } = heldBack();
    const limited = limitInFlight(http, { total: 1, perGroup: 1 }, nodeOf);
    for (const path of ['/a1', '/a2']) void limited.request(get(path));
    for (const path of ['/a3', '/a4']) void limited.request(get(path, { method: 'POST' }));
    for (let answers = 0; answers < 4; answers += 1) await answerFirst();
    expect(paths()).toEqual(['/a1', '/a3', '/a4', '/a2']);
  });

  it('gives a place back when the request fails', async () => {
    const http: HttpClient = { request: () => Promise.reject(new Error('no')), close: async () => {} };
    const limited = limitInFlight(http, { total: 1, perGroup: 1 }, nodeOf);
    for (let tries = 0; tries < 3; tries += 1) {
      await expect(limited.request(get('/a1'))).rejects.toThrow('no');
    }
  });

  it('counts the time in line as the request’s own', async () => {
    const { http, asked, answerFirst } = heldBack();
    const limited = limitInFlight(http, { total: 1, perGroup: 1 }, nodeOf);
    void limited.request(get('/a1'));
    void limited.request(get('/a2', { timeoutMs: 1_000 }));
    await new Promise((resolve) => setTimeout(resolve, 30));
    await answerFirst();
    expect(asked[1]?.timeoutMs).toBeLessThan(1_000);
  });

  it.each([
    ['its time-out', { timeoutMs: 20 }, undefined],
    ['its send deadline', { method: 'POST', sendBeforeMs: performance.now() }, true],
  ] as const)('gives up in line at %s, with nothing left behind', async (_, changes, neverLeft) => {
    const { http, asked } = heldBack();
    const limited = limitInFlight(http, { total: 1, perGroup: 1 }, nodeOf);
    void limited.request(get('/a1'));
    const failure = await failureOf(limited.request(get('/a2', changes)));
    expect(failure).toMatchObject({ kind: 'timed_out', effect: 'none' });
    expect(failure.neverLeft).toBe(neverLeft);
    expect(asked).toHaveLength(1);
  });

  it('leaves the line when it is aborted, with the abort reason', async () => {
    const { http, paths, answerFirst } = heldBack();
    const limited = limitInFlight(http, { total: 1, perGroup: 1 }, nodeOf);
    void limited.request(get('/a1'));
    const controller = new AbortController();
    const waiting = limited.request(get('/a2', { signal: controller.signal }));
    void limited.request(get('/a3'));
    const reason = new Error('the claim is lost');
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await answerFirst();
    expect(paths()).toEqual(['/a1', '/a3']);
  });
});

it('keeps a crowd of starts from overwhelming a node that works on three requests at a time', async () => {
  const rig = await startPveVmRig({ pve: { requestWorkers: 3 } });
  try {
    const call = Array.from({ length: 4 }, () => startGuest(rig.provider));
    await Promise.all(call);
    expect(rig.nativeIds()).toHaveLength(4);
  } finally {
    await rig.close();
  }
});
