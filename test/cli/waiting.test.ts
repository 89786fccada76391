/** What a person sees while a command waits for something slow, and how the waiting can end before it does. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OperationView } from '../../src/core/views.ts';
import { describeProgress, medianDurationMs, showProgress } from '../../src/main/progress.ts';
import { startTestApi, type TestApi } from '../api/support.ts';
import { eventually } from '../support/eventually.ts';
import { FAST_RECOVERY, PRESET } from '../support/system.ts';
import { cli } from './run.ts';

describe('a start that takes its time', () => {
  let api: TestApi;
  let environment: Record<string, string>;
  beforeAll(async () => {
    const latency = { pve: { cloneMs: 60_000 } };
    api = await startTestApi({ latency, recovery: { ...FAST_RECOVERY, drainGraceMs: 100 } });
    environment = { CMUX_LIFECYCLE_URL: api.url };
  });
  afterAll(() => api.close());

  it('a time-out ends with status 4 and says how to wait on; the operation goes on', async () => {
    const { status, out, err } = await cli(['start', '--preset', PRESET, '--timeout', '1'], environment);
    expect({ status, out }).toEqual({ status: 4, out: '' });
    expect(err).toContain('wait_timed_out');
    const [, id = ''] = /Wait on with: cmux-lifecycle wait (op-\w+)/.exec(err) ?? [];
    expect((await api.test.producer.operation(id)).state).toBe('begun');
  });

  it('Ctrl-C ends the waiting with status 130, not the operation', async () => {
    const ctrlC = new AbortController();
    const { status, out, err } = await cli(['start', '--preset', PRESET], environment, {
      interruption: ctrlC.signal,
      onPrint: ({ err: soFar }) => {
        if (soFar.includes('attempt 1 on pve-vm')) ctrlC.abort();
      },
    });
    expect({ status, out }).toEqual({ status: 130, out: '' });
    const [, id = ''] = /it goes on\. Wait on with: cmux-lifecycle wait (op-\w+)/.exec(err) ?? [];
    expect((await api.test.producer.operation(id)).state).toBe('begun');
  });

  it('waits on while the server is started anew', async () => {
    const ctrlC = new AbortController();
    let restarted: Promise<void> | undefined;
    const run = cli(['start', '--preset', PRESET], environment, {
      interruption: ctrlC.signal,
      onPrint: ({ err }) => {
        if (err.includes('attempt 1')) restarted ??= api.restartServer();
      },
    });
    await eventually('the server restarts', () => restarted !== undefined);
    await restarted;
    await api.call('GET', '/v1/providers');
    ctrlC.abort();
    expect((await run).status).toBe(130);
  });
});

describe('progress', () => {
  it.each([
    ['start', 0, '', undefined, 'start … 0.0 s'],
    [
      'start',
      3_240,
      'attempt 1 on pve-vm',
      5_400,
      'start … 3.2 s, attempt 1 on pve-vm (usually about 5.4 s)',
    ],
    ['pause', 65_400, '', 6_000, 'pause … 65 s (usually about 6.0 s)'],
  ])('%s after %i ms', (what, elapsedMs, stage, usuallyMs, line) => {
    expect(describeProgress(what, elapsedMs, stage, usuallyMs)).toBe(line);
  });

  it('writes over its line where somebody watches, and leaves none behind', () => {
    let written = '';
    const err = (text: string) => {
      written += text;
    };
    const progress = showProgress({ err, isWatched: true }, 'start', () => 0);
    progress.at('in line');
    progress.at('in line');
    progress.end();
    expect(written).toBe('\r\u001b[2Kstart … 0.0 s, in line\r\u001b[2K');
  });

  it('writes a plain line for each stage into a file', () => {
    let written = '';
    const err = (text: string) => {
      written += text;
    };
    const progress = showProgress({ err, isWatched: false }, 'start', () => 0);
    progress.at('in line');
    progress.at('attempt 1 on morph');
    progress.end();
    expect(written).toBe('start … 0.0 s, in line\nstart … 0.0 s, attempt 1 on morph\n');
  });
});

describe('the usual duration', () => {
  const took = (kind: 'start' | 'pause', provider: 'pve-vm' | 'morph', ms: number): OperationView => ({
    id: 'op-1',
    kind,
    sandboxId: 'sbx-1',
    state: 'succeeded',
    attempts: [{ number: 1, provider, outcome: 'succeeded', openedAtMs: 1_000 }],
    leftOut: [],
    createdAtMs: 1_000,
    settledAtMs: 1_000 + ms,
  });
  const history = [
    ...[5, 7, 6, 900].map((ms) => took('start', 'pve-vm', ms)),
    ...[1, 2].map((ms) => took('start', 'morph', ms)),
    ...[30, 40, 50].map((ms) => took('pause', 'pve-vm', ms)),
  ];

  it.each([
    ['the median of that kind and provider', 'start', 'pve-vm', 7],
    ['of every provider where none is named', 'start', undefined, 6],
    ['of pauses alone', 'pause', 'pve-vm', 40],
    ['not told from fewer than three', 'start', 'morph', undefined],
  ] as const)('%s', (_why, kind, provider, expected) => {
    expect(medianDurationMs(history, kind, provider)).toBe(expected);
  });
});
