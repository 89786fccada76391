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
