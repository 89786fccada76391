import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Config, loadConfig, redacted, type ServiceConfig } from '../../src/platform/config.ts';
import { ALL, complaints, errorOf, MORPH, PVE, SERVICE, TOKEN, type Variables } from './config-case.ts';

let folder: string;
let caFile: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-config-'));
  caFile = join(folder, 'ca.pem');
  await writeFile(caFile, '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function service(variables: Variables): ServiceConfig {
  const config = loadConfig(variables);
  if (config.mode !== 'service') throw new Error('local mode');
  return config;
}

describe('the mode', () => {
  it('is local with nothing set: simulated providers, Proxmox first, Morph as fallback', () => {
    const config = loadConfig({});
    expect(config).toMatchObject({
      mode: 'local',
      deployment: 'local',
      enabledProviders: ['pve-vm', 'pve-lxc', 'morph'],
      routing: { primary: 'pve-vm', fallbacks: ['morph'], byWorkload: {} },
      warnings: [],
    });
    expect(config.presets.map(({ name }) => name)).toEqual(['4vcpu_8gb_32gb', '6vcpu_8gb_32gb']);
  });

  it.each(['PVE_API_URL', 'PVE_API_TOKEN', 'MORPH_API_KEY', 'REDIS_URL'])(
    'is local while %s is set to nothing',
    (setting) => {
      expect(loadConfig({ [setting]: ' ' }).mode).toBe('local');
    },
  );

  it.each([
    ['PVE_API_URL', { PVE_API_URL: PVE.PVE_API_URL }, ['REDIS_URL', 'DEPLOYMENT', 'PVE_API_TOKEN']],
    ['PVE_API_TOKEN', { PVE_API_TOKEN: TOKEN }, ['REDIS_URL', 'DEPLOYMENT', 'PVE_API_URL']],
    ['MORPH_API_KEY', MORPH, ['REDIS_URL', 'DEPLOYMENT']],
    ['REDIS_URL', { ...SERVICE, DEPLOYMENT: '' }, ['DEPLOYMENT', 'SANDBOX_PRIMARY_PROVIDER']],
  ])('is that of a service as soon as %s is set, which then lacks %j', (_name, variables, lacking) => {
    expect(complaints(variables)).toEqual(lacking);
  });

  it('tells with real credentials and no Redis how to get either mode', () => {
    const [missing] = errorOf({ ...MORPH, DEPLOYMENT: 'x' }).problems;
    expect(missing).toMatchObject({
      setting: 'REDIS_URL',
      remedy: expect.stringContaining('unset MORPH_API_KEY'),
    });
  });

  it('lets a process that only submits name providers it has no credentials for', () => {
    const config = service({
      ...SERVICE,
      SANDBOX_PRIMARY_PROVIDER: 'pve-vm',
      SANDBOX_FALLBACK_PROVIDERS: 'morph',
    });
    expect(config.enabledProviders).toEqual([]);
    expect(config.routing).toMatchObject({ primary: 'pve-vm', fallbacks: ['morph'] });
  });
});

describe("the phases of the roadmap's migration", () => {
  it.each<[string, Variables, Config['routing']]>([
    [
      'phase 1, Morph only',
      { ...SERVICE, ...MORPH, SANDBOX_PRIMARY_PROVIDER: 'morph', SANDBOX_FALLBACK_PROVIDERS: '' },
      { primary: 'morph', fallbacks: [], byWorkload: {} },
    ],
    [
      'phase 2, Proxmox first but for production',
      {
        ...ALL,
        SANDBOX_PRIMARY_PROVIDER: 'proxmox',
        SANDBOX_FALLBACK_PROVIDERS: 'morph',
        SANDBOX_ROUTE_PROD: 'morph',
      },
      { primary: 'pve-vm', fallbacks: ['morph'], byWorkload: { prod: 'morph' } },
    ],
    [
      'phase 3, Proxmox for everything',
      {
        ...ALL,
        SANDBOX_PRIMARY_PROVIDER: 'proxmox',
        SANDBOX_FALLBACK_PROVIDERS: 'morph',
        SANDBOX_ROUTE_PROD: 'proxmox',
      },
      { primary: 'pve-vm', fallbacks: ['morph'], byWorkload: { prod: 'pve-vm' } },
    ],
    [
      'phase 4, Proxmox with Morph for resilience',
      { ...ALL, SANDBOX_PRIMARY_PROVIDER: 'proxmox', SANDBOX_FALLBACK_PROVIDERS: 'morph' },
      { primary: 'pve-vm', fallbacks: ['morph'], byWorkload: {} },
    ],
  ])('%s', (_phase, variables, routing) => {
    expect(service(variables).routing).toEqual(routing);
  });

  it('phases 2 to 4 are refused without a Morph key: their fallback would be none', () => {
    const { MORPH_API_KEY: _, ...withoutMorph } = ALL;
    const variables = {
      ...withoutMorph,
      SANDBOX_PRIMARY_PROVIDER: 'proxmox',
      SANDBOX_FALLBACK_PROVIDERS: 'morph',
    };
    expect(complaints(variables)).toEqual(['SANDBOX_FALLBACK_PROVIDERS']);
    expect(errorOf(variables).message).toContain('set MORPH_API_KEY');
  });

  it("cmux's own variables alone select the provider", () => {
    expect(service({ ...ALL, SANDBOX_PROVIDER: 'proxmox-kvm' }).routing.primary).toBe('pve-vm');
  });
});

describe('primary and fallbacks', () => {
  it.each<[string, Variables, string, readonly string[]]>([
    ['both credentials', ALL, 'morph', []],
    ['only Proxmox', { ...SERVICE, ...PVE }, 'pve-vm', []],
    ['only Morph', { ...SERVICE, ...MORPH }, 'morph', []],
    ['Proxmox named and a Morph key', { ...ALL, SANDBOX_PRIMARY_PROVIDER: 'pve-vm' }, 'pve-vm', ['morph']],
    ['the old name', { ...ALL, SANDBOX_PROVIDER: 'pve-vm' }, 'pve-vm', ['morph']],
    [
      'both names agreeing in meaning',
      { ...ALL, SANDBOX_PROVIDER: 'proxmox', SANDBOX_PRIMARY_PROVIDER: 'PVE-VM ' },
      'pve-vm',
      ['morph'],
    ],
    [
      'fallbacks set to nothing',
      { ...ALL, SANDBOX_PROVIDER: 'pve-vm', SANDBOX_FALLBACK_PROVIDERS: '' },
      'pve-vm',
      [],
    ],
    [
      'fallbacks with the primary and a repeat',
      { ...ALL, SANDBOX_PROVIDER: 'pve-vm', SANDBOX_FALLBACK_PROVIDERS: 'proxmox, morph,morph' },
      'pve-vm',
      ['morph'],
    ],
    ['Proxmox switched off', { ...ALL, PROXMOX_KVM_ENABLED: 'false' }, 'morph', []],
    ['local mode with Morph named', { SANDBOX_PRIMARY_PROVIDER: 'morph' }, 'morph', []],
    ['local mode with VMs switched off', { PROXMOX_KVM_ENABLED: 'false' }, 'pve-lxc', ['morph']],
    [
      'local mode with Proxmox switched off',
      { PROXMOX_KVM_ENABLED: 'false', PROXMOX_LXC_ENABLED: 'false' },
      'morph',
      [],
    ],
    ['containers named', { ...ALL, SANDBOX_PROVIDER: 'proxmox-lxc' }, 'pve-lxc', ['morph']],
    [
      'containers by the ambiguous name',
      { ...ALL, SANDBOX_PROVIDER: 'proxmox', PROXMOX_USE_KVM: 'false' },
      'pve-lxc',
      ['morph'],
    ],
    ['containers as default, Proxmox only', { ...SERVICE, ...PVE, PROXMOX_DEFAULT: 'lxc' }, 'pve-lxc', []],
    ['both kinds, Proxmox only', { ...SERVICE, ...PVE, PROXMOX_LXC_ENABLED: 'true' }, 'pve-vm', []],
  ])('%s', (_case, variables, primary, fallbacks) => {
    expect(loadConfig(variables).routing).toMatchObject({ primary, fallbacks });
  });

  it.each<[string, Variables, readonly string[]]>([
    ['not unless something asks for them', ALL, ['pve-vm', 'morph']],
    ['when they are enabled', { ...ALL, PROXMOX_LXC_ENABLED: 'true' }, ['pve-vm', 'pve-lxc', 'morph']],
    [
      'when a route names them',
      { ...ALL, SANDBOX_ROUTE_EPHEMERAL: 'proxmox-lxc' },
      ['pve-vm', 'pve-lxc', 'morph'],
    ],
    [
      'in place of VMs',
      { ...ALL, PROXMOX_KVM_ENABLED: 'false', PROXMOX_LXC_ENABLED: 'true' },
      ['pve-lxc', 'morph'],
    ],
  ])('offers containers %s', (_case, variables, enabled) => {
    const config = service(variables);
    expect(config.enabledProviders).toEqual(enabled);
    expect(config).toHaveProperty('pve');
  });

  it.each<[string, Variables, object]>([
    ['all nodes by default', { ...ALL, PVE_NODE: '' }, { cordonedNodes: [] }],
    [
      'the memory that is kept free',
      { ...ALL, PVE_HOST_RESERVE_MIB: '4096', PVE_RESUME_RESERVE: '25%' },
      { reserves: { hostMib: 4096, resumeShare: 0.25 } },
    ],
    ['the defaults of both', ALL, { reserves: { hostMib: 2048, resumeShare: 0.1 } }],
    [
      'cordoned nodes',
      { ...ALL, PVE_NODE: '*', PVE_CORDONED_NODES: 'pve3, pve4' },
      { cordonedNodes: ['pve3', 'pve4'] },
    ],
    [
      'what containers and VMs are told',
      {
        ...ALL,
        PVE_LXC_EXEC_TOKEN: 'yes',
        PVE_SET_CLOCK: 'yes',
        PVE_CLOUD_INIT: 'ciuser=cmux; ipconfig0=ip=dhcp',
      },
      { execToken: true, setClock: true, cloudInit: { ciuser: 'cmux', ipconfig0: 'ip=dhcp' } },
    ],
  ])('reads %s', (_case, variables, pve) => {
    expect(service(variables).pve).toMatchObject(pve);
  });

  it.each([{ PVE_NODE: '' }, { PVE_NODE: '*' }])('has no list of nodes for %j', (variables) => {
    expect(service({ ...ALL, ...variables }).pve).not.toHaveProperty('nodes');
  });

  it('offers no driver settings for a Proxmox that is switched off', () => {
    const config = service({ ...ALL, PROXMOX_KVM_ENABLED: 'false' });
    expect(config).not.toHaveProperty('pve');
    expect(config.enabledProviders).toEqual(['morph']);
  });

  it('reads every workload route', () => {
    const { routing } = loadConfig({
      SANDBOX_ROUTE_DEV: 'morph',
      SANDBOX_ROUTE_PROD: 'proxmox-kvm',
      SANDBOX_ROUTE_EPHEMERAL: 'proxmox-vm',
      SANDBOX_ROUTE_QUICK_TASK: 'Morph',
      SANDBOX_ROUTE_LONG_RUNNING: 'pve-vm',
    });
    expect(routing.byWorkload).toEqual({
      dev: 'morph',
      prod: 'pve-vm',
      ephemeral: 'pve-vm',
      'quick-task': 'morph',
      'long-running': 'pve-vm',
    });
  });

  it('reads a rollout in the order given, names normalised', () => {
    const { routing } = loadConfig({ SANDBOX_ROLLOUT: 'proxmox:20, morph:80', SANDBOX_ROLLOUT_KEY: 'team' });
    expect(routing.rollout).toEqual({
      weights: [
        { provider: 'pve-vm', weight: 20 },
        { provider: 'morph', weight: 80 },
      ],
      key: 'team',
    });
  });

  it('has no rollout when none is set', () => {
    expect(loadConfig({ SANDBOX_ROLLOUT_KEY: 'team' }).routing).not.toHaveProperty('rollout');
  });
});

describe('what is accepted', () => {
  it.each<[string, Variables]>([
    [
      "somebody else's variables, close to short names of ours",
      { ...ALL, POST: '1', PORTS: '1', REDIS_URI: 'x' },
    ],
    ['http to loopback by name', { ...ALL, PVE_API_URL: 'http://localhost:8006' }],
    ['http to loopback by address', { ...ALL, PVE_API_URL: 'http://127.0.0.1:8006' }],
    ['http to loopback, version 6', { ...ALL, MORPH_API_BASE_URL: 'http://[::1]:9000/api' }],
    ['the fingerprint with colons', { ...ALL, PVE_TLS_FINGERPRINT: Array(32).fill('AB').join(':') }],
    ['a deployment of 32 characters', { ...ALL, DEPLOYMENT: 'a'.repeat(32) }],
    ['TLS to Redis', { ...ALL, REDIS_URL: 'rediss://10.0.0.1:6380' }],
    ['a free port', { PORT: '0' }],
    ['the last port', { PORT: '65535' }],
    ['a deadline just above the hold', { START_DEADLINE_MS: '10001' }],
    ['a VMID range of one', { PVE_VMID_RANGE: '100-100' }],
    ["somebody else's variables", { SANDBOX_MODE: 'x', PVE_STORAGE: 'local-zfs', MORPHEUS: 'x', POTR: '1' }],
    ['KVM said three times', { PROXMOX_KVM_ENABLED: 'yes', PROXMOX_USE_KVM: 'on', PROXMOX_DEFAULT: 'KVM' }],
    ['containers switched off', { PROXMOX_LXC_ENABLED: 'false' }],
  ])('%s', (_case, variables) => {
    expect(() => loadConfig(variables)).not.toThrow();
  });

  it('has the documented defaults', () => {
    expect(loadConfig({})).toMatchObject({
      http: { host: '127.0.0.1', port: 8787 },
      logLevel: 'info',
      dataDir: '.data',
      concurrency: { perWorker: 8, perProvider: 16 },
      timing: {
        unknownHoldMs: 10_000,
        cloneTimeoutMs: 300_000,
        permitWaitMs: 120_000,
        usableTimeoutMs: 90_000,
        startDeadlineMs: 600_000,
      },
    });
    expect(loadConfig({})).not.toHaveProperty('servicePorts');
    expect(service(ALL)).toMatchObject({
      redis: { durability: 'aof' },
      pve: { tls: { verify: true }, vmidRange: { first: 20_000, last: 29_999 } },
      morph: { apiBaseUrl: 'https://cloud.morph.so/api' },
    });
  });

  it('reads everything a service can be given', () => {
    const config = service({
      ...ALL,
      PVE_API_URL: 'https://pve.example.com:8006/',
      PVE_NODE: 'pve1, pve2',
      PVE_PUBLIC_DOMAIN: 'sandboxes.example.com',
      PVE_CA_FILE: caFile,
      PVE_VMID_RANGE: '30000-30099',
      REDIS_DURABILITY: 'managed',
      SANDBOX_PORTS: 'worker:39377, vscode:39378',
      HOST: '0.0.0.0',
      PORT: '80',
      LOG_LEVEL: 'DEBUG',
      DATA_DIR: '/var/lib/cmux',
      WORKER_CONCURRENCY: '3',
      PROVIDER_CONCURRENCY: '4',
      UNKNOWN_HOLD_MS: '101',
      CLONE_TIMEOUT_MS: '1002',
      USABLE_TIMEOUT_MS: '1003',
      START_DEADLINE_MS: '1004',
    });
    expect(config).toMatchObject({
      deployment: 'production',
      redis: { url: SERVICE.REDIS_URL, durability: 'managed' },
      pve: {
        apiUrl: 'https://pve.example.com:8006',
        apiToken: TOKEN,
        nodes: ['pve1', 'pve2'],
        publicDomain: 'sandboxes.example.com',
        tls: { verify: true, ca: expect.stringContaining('BEGIN CERTIFICATE') },
        vmidRange: { first: 30_000, last: 30_099 },
      },
      morph: { apiKey: 'morph-secret' },
      servicePorts: [
        { name: 'worker', port: 39_377 },
        { name: 'vscode', port: 39_378 },
      ],
      http: { host: '0.0.0.0', port: 80 },
      logLevel: 'debug',
      dataDir: '/var/lib/cmux',
      concurrency: { perWorker: 3, perProvider: 4 },
      timing: {
        unknownHoldMs: 101,
        cloneTimeoutMs: 1002,
        permitWaitMs: 120_000,
        usableTimeoutMs: 1003,
        startDeadlineMs: 1004,
      },
    });
  });

  it('refuses an authority and a fingerprint together', () => {
    const variables = { ...ALL, PVE_CA_FILE: caFile, PVE_TLS_FINGERPRINT: 'ab'.repeat(32) };
    expect(complaints(variables)).toEqual(['PVE_TLS_FINGERPRINT']);
  });

  it('warns of an unchecked certificate and of missing presets', () => {
    const { warnings } = loadConfig({ ...ALL, PVE_VERIFY_TLS: 'false' });
    expect(warnings.join('\n')).toMatch(/PVE_VERIFY_TLS=false.*\n.*SANDBOX_PRESETS_FILE/);
  });
});

describe('redacted', () => {
  it('shows a whole service configuration without its three secrets', () => {
    const shown = JSON.stringify(redacted(service(ALL)));
    for (const secret of ['redis-secret', 'pve-secret', 'morph-secret']) {
      expect(JSON.stringify(service(ALL))).toContain(secret);
      expect(shown).not.toContain(secret);
    }
    expect(shown).toContain('cmux@pve!lifecycle=***');
    expect(shown).toContain('10.0.0.1:6379');
  });

  it('shows a local configuration as it is', () => {
    expect(redacted(loadConfig({}))).toEqual(loadConfig({}));
  });
});
