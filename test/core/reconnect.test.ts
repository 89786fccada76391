import { expect, test } from 'vitest';
import { planReconnect } from '../../src/core/reconnect.ts';

const at = (name: string, url: string) => ({ name, port: 1, url });
const WORKER = at('worker', 'http://a/1');

test.each([
  ['memory kept, the same addresses', [WORKER], [WORKER], true, ['connections']],
  ['an address that moved', [WORKER], [at('worker', 'http://b/1')], true, ['connections', 'addresses']],
  ['an address that is new', [WORKER], [WORKER, at('vnc', 'http://a/2')], true, ['connections', 'addresses']],
  ['an address that is gone', [WORKER], [], true, ['connections', 'addresses']],
  ['a boot from disk', [WORKER], [WORKER], false, ['connections', 'processes']],
])('%s: whoever uses it is told what to do', (_, before, after, memoryKept, told) => {
  expect(planReconnect(before, after, memoryKept)).toEqual(told);
});

test.each([
  ['of a guest whose clock does not sleep', undefined, false],
  ['that was set', { behindMs: 3_600_000, isRight: true }, false],
  ['that could not be set', { behindMs: 3_600_000, isRight: false }, true],
  ['that nobody read', 'unknown' as const, true],
])('a clock %s is to be set by whoever uses it, or not', (_case, clock, isTold) => {
  expect(planReconnect([WORKER], [WORKER], true, clock).includes('clock')).toBe(isTold);
});
