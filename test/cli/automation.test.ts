/** `confirm` and `destruction`, over both transports. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../api/support.ts';
import { cli } from './run.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

describe.each([
  ['HTTP', () => ({ CMUX_LIFECYCLE_URL: api.url })],
  ['Redis', () => ({ REDIS_URL: api.test.options.redis.url, DEPLOYMENT: api.test.options.deployment })],
] as const)('over %s', (_way, environment) => {
  it('destruction is switched off and on, and says how things stand', async () => {
    const off = await cli(['destruction', 'off'], environment());
    expect(off).toMatchObject({ status: 0, err: '' });
    expect(off.out).toMatch(/^mode +off: automatic destruction was switched off by /);
    expect(off.out).toMatch(/^destruction +off$/m);
    const on = await cli(['destruction', 'on', '-o', 'json'], environment());
    expect(JSON.parse(on.out)).toMatchObject({ mode: 'normal', destruction: 'on' });
  });

  it('confirm ends adopt-only mode', async () => {
    const { automation } = api.test.system.store;
    await automation.enterAdoptOnly('guests nobody knows', Date.now());
    expect(JSON.parse((await cli(['confirm', '-o', 'json'], environment())).out)).toMatchObject({
      mode: 'normal',
      confirmedAtMs: expect.any(Number) as number,
    });
    expect((await automation.read()).mode).toBe('normal');
  });

  it.each([[['destruction', 'maybe']], [['destruction']]])('%j ends with status 2', async (words) => {
    const { status, out, err } = await cli(words, environment());
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(/^error: .*on/);
  });
});
