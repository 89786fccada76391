/** What the script says of agents: from a made-up /proc, where every figure is known, and from real processes. */
import { type ChildProcessWithoutNullStreams, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { areAgentsAtWork } from '../../src/core/activity.ts';
import { heartbeatSchema } from '../../src/producers/requests.ts';
import { eventually } from '../support/eventually.ts';

const SCRIPT = fileURLToPath(new URL('../../guest/heartbeat/cmux-lifecycle-heartbeat', import.meta.url));
const hasTools = ['curl', 'awk', 'sh'].every(
  (tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0,
);
const run = promisify(execFile);

let server: Server;
let url: string;
let status = 200;
/** As an API of 0.1.0, which knows no `agentWork`. */
let refusesWork = false;
let bodies: unknown[] = [];
let folder: string;

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const answer = refusesWork && text.includes('agentWork') ? 400 : status;
    if (answer === 200) bodies.push(JSON.parse(text));
    response.writeHead(answer).end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());
beforeEach(async () => {
  bodies = [];
  status = 200;
  refusesWork = false;
  folder = await mkdtemp(join(tmpdir(), 'heartbeat-'));
});

/** What one run of the script sends, as the API reads it. */
async function beat(settings: Readonly<Record<string, string>> = {}) {
  const count = bodies.length;
  await run('sh', [SCRIPT], {
    env: {
      PATH: process.env.PATH,
      HEARTBEAT_SETTINGS: join(folder, 'none'),
      HEARTBEAT_STATE: join(folder, 'state'),
      HEARTBEAT_PROC: join(folder, 'proc'),
      LIFECYCLE_URL: url,
      LIFECYCLE_SANDBOX: 'sbx-1',
      LIFECYCLE_TOKEN: 'clhb_1',
      ...settings,
    },
  });
  return heartbeatSchema.parse(bodies[count]);
}

interface FakeProcess {
  readonly pid: number;
  readonly parent?: number;
  readonly name?: string;
  readonly startedAt?: number;
  /** Hundredths of a second: its own, and those of children that it waited for. */
  readonly ticks?: number;
  readonly childTicks?: number;
  /** Absent: it may not be read. */
  readonly bytes?: number;
}

/** A machine at that many seconds since its boot. */
async function machineAt(seconds: number, processes: readonly FakeProcess[]): Promise<void> {
  const proc = join(folder, 'proc');
  await rm(proc, { recursive: true, force: true });
  await mkdir(join(proc, 'net'), { recursive: true });
  await writeFile(join(proc, 'uptime'), `${seconds.toFixed(2)} 1.00\n`);
  await writeFile(join(proc, 'loadavg'), '0.10 0.10 0.10 1/100 4711\n');
  await writeFile(join(proc, 'cpuinfo'), 'processor\t: 0\nprocessor\t: 1\n');
  for (const each of processes) {
    const { pid, parent = 1, name = 'claude', startedAt = 500, ticks = 0, childTicks = 0, bytes } = each;
    await mkdir(join(proc, String(pid)));
    const fields = [
      parent,
      pid,
      pid,
      0,
      -1,
      4_194_304,
      9,
      9,
      0,
      0,
      ticks,
      0,
      childTicks,
      0,
      20,
      0,
      1,
      0,
      startedAt,
    ];
    await writeFile(join(proc, `${pid}/stat`), `${pid} (${name}) S ${fields.join(' ')} 3133440 359 0\n`);
    if (bytes === undefined) continue;
    const io = `rchar: ${bytes}\nwchar: 0\nsyscr: 7\nsyscw: 7\nread_bytes: 0\nwrite_bytes: 0\n`;
    await writeFile(join(proc, `${pid}/io`), io);
  }
}

const AGENT: FakeProcess = { pid: 10, ticks: 500, bytes: 9_000 };
const SHELL: FakeProcess = { pid: 11, parent: 10, name: 'sh', bytes: 0 };
const BUILD: FakeProcess = { pid: 12, parent: 11, name: 'cc1', ticks: 100, bytes: 1_000 };

describe.skipIf(!hasTools)('what agents did since the beat before', () => {
  test('is not said by the first beat, which has none before it', async () => {
    await machineAt(100, [AGENT]);
    expect(await beat()).toEqual({ agentProcesses: 1, loadPerCpu: 0.05, openConnections: 0 });
  });

  test.each<{ does: string; later: readonly FakeProcess[]; work: unknown }>([
    { does: 'nothing', later: [AGENT, SHELL, BUILD], work: { cpuShare: 0, bytesPerSecond: 0 } },
    {
      does: 'computing of its own',
      later: [{ ...AGENT, ticks: 530 }, SHELL, BUILD],
      work: { cpuShare: 0.01, bytesPerSecond: 0 },
    },
    {
      does: 'computing of what it started',
      later: [AGENT, SHELL, { ...BUILD, ticks: 6_100 }],
      work: { cpuShare: 2, bytesPerSecond: 0 },
    },
    {
      does: 'what began and ended in between, and was waited for',
      later: [AGENT, { ...SHELL, childTicks: 60 }, BUILD],
      work: { cpuShare: 0.02, bytesPerSecond: 0 },
    },
    {
      does: 'what began in between',
      later: [AGENT, SHELL, BUILD, { ...BUILD, pid: 13, ticks: 90, bytes: 0 }],
      work: { cpuShare: 0.03, bytesPerSecond: 0 },
    },
    {
      does: 'what began under a number that was used before',
      later: [AGENT, SHELL, { ...BUILD, startedAt: 9_000, ticks: 99, bytes: 600 }],
      work: { cpuShare: 0.033, bytesPerSecond: 20 },
    },
    {
      does: 'streaming',
      later: [{ ...AGENT, bytes: 69_000 }, SHELL, BUILD],
      work: { cpuShare: 0, bytesPerSecond: 2_000 },
    },
    {
      does: 'the busiest of several, not their sum',
      later: [
        { ...AGENT, ticks: 600, bytes: 12_000 },
        SHELL,
        BUILD,
        { pid: 20, name: 'codex', ticks: 200, bytes: 60_000 },
      ],
      work: { cpuShare: 0.0667, bytesPerSecond: 2_000 },
    },
    {
      does: 'nothing of what others do',
      later: [AGENT, SHELL, BUILD, { pid: 30, name: 'claude-like (x) y', ticks: 9_999, bytes: 9_999_999 }],
      work: { cpuShare: 0, bytesPerSecond: 0 },
    },
  ])('is $does', async ({ later, work }) => {
    await machineAt(100, [AGENT, SHELL, BUILD]);
    await beat();
    await machineAt(130, later);
    expect((await beat()).agentWork).toEqual(work);
  });

  test('is known by the names that the settings give, whatever stands in the name', async () => {
    const named = { ...AGENT, name: 'my) agent (2' };
    await machineAt(100, [named]);
    await beat({ HEARTBEAT_AGENTS: '^my\\) agent' });
    await machineAt(110, [{ ...named, ticks: 600 }]);
    const { agentProcesses, agentWork } = await beat({ HEARTBEAT_AGENTS: '^my\\) agent' });
    expect({ agentProcesses, agentWork }).toEqual({
      agentProcesses: 1,
      agentWork: { cpuShare: 0.1, bytesPerSecond: 0 },
    });
  });

  test.each([
    { when: 'what it reads and writes may not be seen', seconds: 130, agent: { pid: 10, ticks: 500 } },
    { when: 'the machine was started anew', seconds: 20, agent: AGENT },
  ])('is left out when $when', async ({ seconds, agent }) => {
    await machineAt(100, [AGENT]);
    await beat();
    await machineAt(seconds, [agent]);
    expect(await beat()).not.toHaveProperty('agentWork');
  });

  test('is left out where nothing can be kept, and the beat is sent all the same', async () => {
    await machineAt(100, [AGENT]);
    const nowhere = { HEARTBEAT_STATE: join(folder, 'missing', 'state') };
    await beat(nowhere);
    expect(await beat(nowhere)).toEqual({ agentProcesses: 1, loadPerCpu: 0.05, openConnections: 0 });
  });

  test('is not told to an API that refuses it, and told again to one that takes it', async () => {
    await machineAt(100, [AGENT]);
    await beat();
    refusesWork = true;
    await machineAt(130, [{ ...AGENT, ticks: 800 }]);
    expect(await beat()).toEqual({ agentProcesses: 1, loadPerCpu: 0.05, openConnections: 0 });
    refusesWork = false;
    await machineAt(160, [{ ...AGENT, ticks: 860 }]);
    expect((await beat()).agentWork).toEqual({ cpuShare: 0.02, bytesPerSecond: 0 });
  });

  test('fails when the beat is refused without it as well', async () => {
    await machineAt(100, [AGENT]);
    await beat();
    status = 400;
    await machineAt(130, [AGENT]);
    await expect(beat()).rejects.toMatchObject({ stderr: expect.stringContaining('400') });
  });

  test('counts from the last beat that arrived', async () => {
    await machineAt(100, [AGENT]);
    await beat();
    status = 403;
    await machineAt(130, [{ ...AGENT, ticks: 800 }]);
    await expect(beat()).rejects.toMatchObject({ stderr: expect.stringContaining('403') });
    status = 200;
    await machineAt(160, [{ ...AGENT, ticks: 800 }]);
    expect((await beat()).agentWork).toEqual({ cpuShare: 0.05, bytesPerSecond: 0 });
  });
});

describe.skipIf(!hasTools || !existsSync('/proc/self/io'))('real agents', () => {
  const children: ChildProcessWithoutNullStreams[] = [];
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
  });

  /** A shell under a name of its own, as agents have theirs; with the first that it says. */
  async function startAgent(name: string, script: string) {
    await symlink('/bin/sh', join(folder, name));
    const child = spawn(join(folder, name), ['-c', script]);
    children.push(child);
    const [said] = await once(child.stdout, 'data');
    return { child, said: String(said) };
  }

  const beatOf = (name: string) => beat({ HEARTBEAT_PROC: '/proc', HEARTBEAT_AGENTS: `^${name}$` });

  async function ticksOf(pid: number): Promise<number> {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  }

  test('one whose child computes is at work', async () => {
    const { said } = await startAgent('hb-busy', 'sh -c "echo \\$\\$; while :; do :; done" & wait');
    const pid = Number(said);
    try {
      expect(await beatOf('hb-busy')).toMatchObject({ agentProcesses: 1 });
      const before = await ticksOf(pid);
      await eventually('its child computes', async () => (await ticksOf(pid)) >= before + 30);
      expect(areAgentsAtWork(await beatOf('hb-busy'))).toBe(true);
    } finally {
      process.kill(pid, 'SIGKILL');
    }
  });

  test('one that streams in small pieces is at work, and one at its prompt beside it is not', async () => {
    const { child } = await startAgent('hb-stream', 'echo; while read -r line; do echo "$line"; done');
    await startAgent('hb-prompt', 'echo; read -r line');
    const inOwnState = (name: string) =>
      beat({
        HEARTBEAT_PROC: '/proc',
        HEARTBEAT_AGENTS: `^${name}$`,
        HEARTBEAT_STATE: join(folder, `state-${name}`),
      });
    for (const name of ['hb-stream', 'hb-prompt'])
      expect(areAgentsAtWork(await inOwnState(name)), `the first beat of ${name}`).toBe(true);
    for (let piece = 0; piece < 60; piece += 1) {
      child.stdin.write(`${'token '.repeat(30)}\n`);
      await once(child.stdout, 'data');
    }
    const streams = await inOwnState('hb-stream');
    expect(areAgentsAtWork(streams)).toBe(true);
    expect(streams.agentWork?.bytesPerSecond).toBeGreaterThan(100);
    expect(await inOwnState('hb-prompt')).toMatchObject({
      agentProcesses: 1,
      agentWork: { cpuShare: 0, bytesPerSecond: 0 },
    });
  });
});
