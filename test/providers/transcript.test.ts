/** Transcripts of the self-test: whole enough to become fixtures, and without what is nobody's business. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { selftest } from '../../src/main/selftest.ts';
import type { HttpClient, HttpReply } from '../../src/providers/http-client.ts';
import { ProviderError } from '../../src/providers/provider-error.ts';
import { guestConfigSchema, resourceRowsSchema } from '../../src/providers/pve/pve-schemas.ts';
import { createRedactor } from '../../src/providers/redact-transcript.ts';
import { createTranscript, type TranscriptLine } from '../../src/providers/transcript.ts';
import { cli } from '../cli/run.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'transcript-'));
  folders.push(folder);
  return folder;
}

const EXEC_TOKEN = 'c0ffee00'.repeat(8);
const UUID = '0a0b0c0d-1111-2222-3333-444455556666';
/** Each must not be in the transcript in any form. */
const PRIVATE = [
  EXEC_TOKEN,
  UUID,
  'lifecycle@pve!ci',
  'alice@pam',
  'hunter2',
  '10.20.30.40',
  'fd00:1234::7',
  'BC:24:11:0A:0B:0C',
  'pve.example.com',
  'AAAAC3NzaC1lZDI1NTE5AAAAIB',
  'morph-secret-key',
  'team-blue',
  'MIIEvQIBADANBg',
];

const UPID = 'UPID:pve1:000003EC:01001B74:6B0220BF:qmstart:20001:lifecycle@pve!ci:';
const CONFIG = {
  name: 'pvevm-0a1b2c3d',
  cores: 2,
  memory: '2048',
  digest: '7a1c9d0e7a1c9d0e7a1c9d0e7a1c9d0e7a1c9d0e',
  smbios1: `uuid=${UUID}`,
  net0: 'virtio=BC:24:11:0A:0B:0C,bridge=vmbr0',
  ipconfig0: 'ip=10.20.30.40/24,ip6=fd00:1234::7/64',
  cipassword: 'hunter2',
  sshkeys: 'ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIB%20alice%40laptop',
  description: `cmux-execd-auth-token=${EXEC_TOKEN}\nkept as it is`,
  env: `PATH=/usr/bin\0CMUX_EXECD_AUTH_TOKEN=${EXEC_TOKEN}`,
};

interface Scripted {
  readonly status?: number;
  readonly statusText?: string;
  readonly json?: unknown;
  /** Sent as it is, and no JSON. */
  readonly body?: string;
}

/** Answers in this order, whatever is asked. */
function scripted(replies: readonly Scripted[]): HttpClient {
  const left = [...replies];
  return {
    async request() {
      const { status = 200, statusText = 'OK', json, body } = left.shift() ?? { status: 500 };
      const text = body ?? JSON.stringify(json);
      return {
        status,
        statusText,
        body: text,
        json: () => (body === undefined ? json : undefined),
      } as HttpReply;
    },
    close: async () => {},
  };
}

function record(http: HttpClient) {
  const lines: TranscriptLine[] = [];
  const redactor = createRedactor(['morph-secret-key', `lifecycle@pve!ci=${UUID}`]);
  const watch = createTranscript({ redactor, write: (line) => void lines.push(line) });
  return { http: watch(http), lines };
}

const configReplySchema = z.object({ data: z.record(z.string(), z.unknown()) });
const signal = new AbortController().signal;

describe('a transcript', () => {
  it('keeps the shape of what was said, and says the same of the same', async () => {
    const { http, lines } = record(
      scripted([
        { json: { data: CONFIG } },
        { json: { data: UPID } },
        { status: 500, statusText: 'cannot reach 10.20.30.40 for alice@pam', body: 'password: hunter2' },
        {
          json: {
            id: 'morphvm_1',
            metadata: { app: 'team-blue', 'cmuxLifecycle.guest': 'morph-1' },
            networking: { internal_ip: '10.20.30.40', http_services: [{ url: 'https://pve.example.com/x' }] },
          },
        },
        { body: '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----' },
      ]),
    );
    const common = { timeoutMs: 1_000, signal };
    const path = `/nodes/pve1/tasks/${encodeURIComponent(UPID)}/status`;
    await http.request({ ...common, method: 'GET', path: '/nodes/pve1/qemu/20001/config' });
    const reply = await http.request({ ...common, method: 'GET', path });
    expect(reply.json()).toEqual({ data: UPID });
    await http.request({ ...common, method: 'PUT', path: '/x', form: { cipassword: 'hunter2', cores: 2 } });
    await http.request({
      ...common,
      method: 'POST',
      path: '/instance',
      json: { metadata: { app: 'team-blue' } },
    });
    await http.request({ ...common, method: 'GET', path: '/pem', query: { token: 'morph-secret-key' } });

    const text = lines.map((line) => JSON.stringify(line)).join('\n');
    for (const each of PRIVATE) {
      expect(text.toLowerCase()).not.toContain(each.toLowerCase());
      expect(text.toLowerCase()).not.toContain(encodeURIComponent(each).toLowerCase());
    }
    expect(lines.map(({ number, request, reply: told }) => [number, request.method, told?.status])).toEqual([
      [1, 'GET', 200],
      [2, 'GET', 200],
      [3, 'PUT', 500],
      [4, 'POST', 200],
      [5, 'GET', 200],
    ]);
    expect(lines[2]?.request.form).toEqual({ cipassword: expect.stringMatching(/^redacted-/), cores: 2 });
    const { data: config } = configReplySchema.parse(lines[0]?.reply?.json);
    expect(Object.keys(config)).toEqual(Object.keys(CONFIG));
    expect(config).toMatchObject({
      name: CONFIG.name,
      memory: '2048',
      digest: CONFIG.digest,
      ipconfig0: 'ip=192.0.2.1/24,ip6=2001:db8::1/64',
      net0: 'virtio=02:00:00:00:00:01,bridge=vmbr0',
    });
    expect(config.description).toContain('kept as it is');
    expect(lines[3]?.reply?.json).toMatchObject({
      id: 'morphvm_1',
      metadata: { 'cmuxLifecycle.guest': 'morph-1' },
      networking: { internal_ip: '192.0.2.1', http_services: [{ url: 'https://host-1.invalid/x' }] },
    });
    // A task is still one and the same in the reply and in the path of what is asked about it next.
    const { data: upid } = z.object({ data: z.string() }).parse(lines[1]?.reply?.json);
    expect(decodeURIComponent(lines[1]?.request.path ?? '')).toBe(`/nodes/pve1/tasks/${upid}/status`);
    expect(upid).toMatch(/^UPID:pve1:000003EC:01001B74:6B0220BF:qmstart:20001:user-\d+@pve!token:$/);
    guestConfigSchema.parse(config);
  });

  it('tells of an exchange without a reply, and passes its failure on', async () => {
    const failure = new ProviderError({
      kind: 'unreachable',
      effect: 'none',
      message: 'GET https://pve.example.com:8006/version: connect ECONNREFUSED 10.20.30.40:8006',
    });
    const { http, lines } = record({ request: () => Promise.reject(failure), close: async () => {} });
    await expect(http.request({ method: 'GET', path: '/version', timeoutMs: 1, signal })).rejects.toBe(
      failure,
    );
    expect(lines).toMatchObject([
      { failure: 'GET https://host-1.invalid/version: connect ECONNREFUSED 192.0.2.1:8006' },
    ]);
  });
});

describe('selftest --record', () => {
  it('writes every exchange, for its owner alone, without the token it was made with', async () => {
    const folder = newFolder();
    const file = join(folder, 'pve-lxc.jsonl');
    const environment = { DATA_DIR: folder, LOG_LEVEL: 'silent' };
    const ran = await cli(['selftest', 'pve-lxc', '--record', file, '-o', 'json'], environment);
    expect(ran.status).toBe(0);
    const report = JSON.parse(ran.out);
    expect(report).toMatchObject({ passed: true, provider: 'pve-lxc', simulated: true });
    for (const { verdict, name, durationMs } of report.assumptions) {
      expect(ran.err).toMatch(new RegExp(`${verdict} +${name}`));
      expect(Number.isSafeInteger(durationMs)).toBe(true);
    }
    const text = readFileSync(file, 'utf8');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(text).not.toContain('simulated-secret');
    expect(text).not.toContain('lifecycle@pve');
    expect(text).not.toContain('127.0.0.1');
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as TranscriptLine);
    const sent = lines.map(({ request }) => `${request.method} ${request.path.replace(/\d{5,}/, '{vmid}')}`);
    for (const step of [
      'POST /nodes/pve1/lxc/9100/clone',
      'POST /nodes/pve1/lxc/{vmid}/status/start',
      'POST /nodes/pve1/lxc/{vmid}/status/shutdown',
      'DELETE /nodes/pve1/lxc/{vmid}',
    ]) {
      expect(sent).toContain(step);
    }
    const resources = lines.find(({ request }) => request.path === '/cluster/resources');
    const { data } = z.object({ data: resourceRowsSchema }).parse(resources?.reply?.json);
    expect(data.length).toBeGreaterThan(0);
  });

  it('overwrites nothing, and makes no guest for a transcript that cannot be written', async () => {
    const file = join(newFolder(), 'none', 'pve-vm.jsonl');
    await expect(selftest('pve-vm', {}, { record: file })).rejects.toMatchObject({ code: 'invalid_request' });
    expect(existsSync(file)).toBe(false);
  });
});
