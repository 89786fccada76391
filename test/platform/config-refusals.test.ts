import { describe, expect, it } from 'vitest';
import { ALL, complaints, errorOf, MORPH, SERVICE, TOKEN, type Variables } from './config-case.ts';

describe('what is refused', () => {
  it.each<[string, Variables, readonly string[]]>([
    ['an unknown provider', { SANDBOX_PRIMARY_PROVIDER: 'docker' }, ['SANDBOX_PRIMARY_PROVIDER']],
    ['an unknown fallback', { SANDBOX_FALLBACK_PROVIDERS: 'morph,docker' }, ['SANDBOX_FALLBACK_PROVIDERS']],
    ['an unknown route', { SANDBOX_ROUTE_DEV: 'docker' }, ['SANDBOX_ROUTE_DEV']],
    [
      'two primaries',
      { SANDBOX_PROVIDER: 'morph', SANDBOX_PRIMARY_PROVIDER: 'pve-vm' },
      ['SANDBOX_PROVIDER'],
    ],
    ['KVM off and VMs the default', { PROXMOX_USE_KVM: 'false', PROXMOX_DEFAULT: 'vm' }, ['PROXMOX_USE_KVM']],
    ['KVM off and kvm the default', { PROXMOX_USE_KVM: '0', PROXMOX_DEFAULT: 'kvm' }, ['PROXMOX_USE_KVM']],
    [
      'KVM on and containers the default',
      { PROXMOX_USE_KVM: 'true', PROXMOX_DEFAULT: 'lxc' },
      ['PROXMOX_USE_KVM'],
    ],
    ['KVM disabled and used', { PROXMOX_KVM_ENABLED: 'false', PROXMOX_USE_KVM: 'true' }, ['PROXMOX_USE_KVM']],
    [
      'KVM disabled and the default',
      { PROXMOX_KVM_ENABLED: 'false', PROXMOX_DEFAULT: 'vm' },
      ['PROXMOX_DEFAULT'],
    ],
    [
      'KVM disabled and named',
      { PROXMOX_KVM_ENABLED: 'false', SANDBOX_PRIMARY_PROVIDER: 'pve-vm' },
      ['SANDBOX_PRIMARY_PROVIDER'],
    ],
    [
      'containers disabled and the default',
      { PROXMOX_LXC_ENABLED: 'false', PROXMOX_DEFAULT: 'lxc' },
      ['PROXMOX_DEFAULT'],
    ],
    [
      'containers disabled and wanted in place of KVM',
      { PROXMOX_LXC_ENABLED: 'false', PROXMOX_USE_KVM: 'false' },
      ['PROXMOX_USE_KVM'],
    ],
    [
      'containers disabled and named',
      { PROXMOX_LXC_ENABLED: 'false', SANDBOX_ROUTE_EPHEMERAL: 'proxmox-lxc' },
      ['SANDBOX_ROUTE_EPHEMERAL'],
    ],
    ['nodes besides all of them', { ...ALL, PVE_NODE: '*,pve1' }, ['PVE_NODE']],
    [
      'a cordoned node that is not used',
      { ...ALL, PVE_NODE: 'pve1', PVE_CORDONED_NODES: 'pve2' },
      ['PVE_CORDONED_NODES'],
    ],
    ['all memory for resumes', { ...ALL, PVE_RESUME_RESERVE: '100%' }, ['PVE_RESUME_RESERVE']],
    ['a reserve that is no share', { ...ALL, PVE_RESUME_RESERVE: 'ten' }, ['PVE_RESUME_RESERVE']],
    ['cloud-init without a name', { ...ALL, PVE_CLOUD_INIT: 'cmux' }, ['PVE_CLOUD_INIT']],
    ['a password in cloud-init', { ...ALL, PVE_CLOUD_INIT: 'cipassword=x' }, ['PVE_CLOUD_INIT']],
    [
      'cloud-init that says a thing twice',
      { ...ALL, PVE_CLOUD_INIT: 'ciuser=a;ciuser=b' },
      ['PVE_CLOUD_INIT'],
    ],
    [
      'a provider without credentials beside one with',
      { ...SERVICE, ...MORPH, SANDBOX_PROVIDER: 'pve-vm' },
      ['SANDBOX_PROVIDER'],
    ],
    ['a rollout that is none', { SANDBOX_ROLLOUT: 'morph' }, ['SANDBOX_ROLLOUT']],
    ['a rollout with a negative weight', { SANDBOX_ROLLOUT: 'morph:-1' }, ['SANDBOX_ROLLOUT']],
    ['a rollout of nothing but 0', { SANDBOX_ROLLOUT: 'morph:0,pve-vm:0' }, ['SANDBOX_ROLLOUT']],
    [
      'a rollout with one provider under two names',
      { SANDBOX_ROLLOUT: 'proxmox:1,pve-vm:1' },
      ['SANDBOX_ROLLOUT'],
    ],
    ['an unknown rollout key', { SANDBOX_ROLLOUT_KEY: 'planet' }, ['SANDBOX_ROLLOUT_KEY']],
    ['a token with its header name', { ...ALL, PVE_API_TOKEN: `PVEAPIToken=${TOKEN}` }, ['PVE_API_TOKEN']],
    ['a token without realm', { ...ALL, PVE_API_TOKEN: 'cmux!lifecycle=x' }, ['PVE_API_TOKEN']],
    ['a token without secret', { ...ALL, PVE_API_TOKEN: 'cmux@pve!lifecycle' }, ['PVE_API_TOKEN']],
    ['Proxmox over http', { ...ALL, PVE_API_URL: 'http://pve.example.com:8006' }, ['PVE_API_URL']],
    ['an address without scheme', { ...ALL, PVE_API_URL: 'pve.example.com:8006' }, ['PVE_API_URL']],
    [
      'an address with the path that is added here',
      { ...ALL, PVE_API_URL: 'https://pve:8006/api2/json' },
      ['PVE_API_URL'],
    ],
    [
      'what came with its quotes',
      { ...ALL, PVE_API_TOKEN: `'${TOKEN}'`, MORPH_API_KEY: '"key"' },
      ['PVE_API_TOKEN', 'MORPH_API_KEY'],
    ],
    ['a slip in a name of ours', { ...ALL, IDLE_MOD: 'enforce' }, ['IDLE_MOD']],
    ['a slip in a name that is long', { ...ALL, AUTOMATIC_DESTUCTION: 'off' }, ['AUTOMATIC_DESTUCTION']],
    ['an address with a password', { ...ALL, PVE_API_URL: 'https://root:pw@pve:8006' }, ['PVE_API_URL']],
    [
      'both Proxmox credentials unreadable, without complaints that follow from it',
      { ...ALL, PVE_API_URL: 'x', PVE_API_TOKEN: 'x', SANDBOX_PROVIDER: 'pve-vm' },
      ['PVE_API_URL', 'PVE_API_TOKEN'],
    ],
    [
      'a Morph key that is none, without complaints that follow from it',
      { ...ALL, MORPH_API_KEY: 'a b', SANDBOX_PROVIDER: 'morph' },
      ['MORPH_API_KEY'],
    ],
    ['Morph over http', { ...ALL, MORPH_API_BASE_URL: 'http://cloud.morph.so/api' }, ['MORPH_API_BASE_URL']],
    [
      'no TLS check and an authority',
      { ...ALL, PVE_VERIFY_TLS: 'false', PVE_TLS_FINGERPRINT: 'ab'.repeat(32) },
      ['PVE_VERIFY_TLS'],
    ],
    ['a short fingerprint', { ...ALL, PVE_TLS_FINGERPRINT: 'ab'.repeat(31) }, ['PVE_TLS_FINGERPRINT']],
    ['a CA file that is not there', { ...ALL, PVE_CA_FILE: '/nowhere/ca.pem' }, ['PVE_CA_FILE']],
    ['a CA file that holds none', { ...ALL, PVE_CA_FILE: '/etc/hostname' }, ['PVE_CA_FILE']],
    ['a VMID range upside down', { PVE_VMID_RANGE: '300-200' }, ['PVE_VMID_RANGE']],
    ['a VMID below 100', { PVE_VMID_RANGE: '99-200' }, ['PVE_VMID_RANGE']],
    ['a VMID beyond what Proxmox takes', { PVE_VMID_RANGE: '100-1000000000' }, ['PVE_VMID_RANGE']],
    ['a Redis over http', { ...ALL, REDIS_URL: 'http://10.0.0.1' }, ['REDIS_URL']],
    ['a deployment that would break the hash tag', { ...ALL, DEPLOYMENT: 'a}b' }, ['DEPLOYMENT']],
    ['a deployment of 33 characters', { ...ALL, DEPLOYMENT: 'a'.repeat(33) }, ['DEPLOYMENT']],
    ['a port beyond 65535', { PORT: '65536' }, ['PORT']],
    ['a port that is a word', { PORT: '80a' }, ['PORT']],
    ['no concurrency', { WORKER_CONCURRENCY: '0' }, ['WORKER_CONCURRENCY']],
    ['a flag that is neither', { PROXMOX_KVM_ENABLED: 'maybe' }, ['PROXMOX_KVM_ENABLED']],
    ['a duration with a unit', { UNKNOWN_HOLD_MS: '10s' }, ['UNKNOWN_HOLD_MS']],
    ['a deadline exactly at the hold', { START_DEADLINE_MS: '10000' }, ['START_DEADLINE_MS']],
    ['a service named twice', { SANDBOX_PORTS: 'worker:1,worker:2' }, ['SANDBOX_PORTS']],
    ['a service port of 0', { SANDBOX_PORTS: 'worker:0' }, ['SANDBOX_PORTS']],
    ['an unknown log level', { LOG_LEVEL: 'loud' }, ['LOG_LEVEL']],
    ['a misspelt variable', { SANDBOX_FALBACK_PROVIDERS: 'morph' }, ['SANDBOX_FALBACK_PROVIDERS']],
    ['swapped letters', { PVE_VMDI_RANGE: '1-2' }, ['PVE_VMDI_RANGE']],
    ['a misspelt variable set to nothing', { MORPH_APIKEY: '' }, ['MORPH_APIKEY']],
    ['a route for an unknown workload', { SANDBOX_ROUTE_STAGING: 'morph' }, ['SANDBOX_ROUTE_STAGING']],
  ])('%s', (_case, variables, settings) => {
    expect(complaints(variables)).toEqual(settings);
  });

  it('is told all at once, each with a remedy, and as text for people', () => {
    const error = errorOf({ PORT: 'x', LOG_LEVEL: 'x', SANDBOX_PROVIDER: 'x', SANDBOX_PORT: 'x' });
    expect(error.problems).toHaveLength(4);
    expect(error.problems.filter(({ remedy }) => remedy === '')).toEqual([]);
    for (const { setting, problem, remedy } of error.problems) {
      expect(error.message).toContain(`${setting}: ${problem}`);
      expect(error.message).toContain(remedy);
    }
    expect(error.message).not.toMatch(/Zod|\bat .*\.ts/);
  });

  it('never shows a secret', () => {
    const secret = 'hunter2hunter2';
    const { message } = errorOf({
      PVE_API_URL: `https://root:${secret}@pve:8006`,
      PVE_API_TOKEN: `PVEAPIToken=${secret}`,
      MORPH_API_KEY: `${secret} ${secret}`,
      REDIS_URL: `http://:${secret}@redis`,
    });
    expect(message).toContain('PVE_API_TOKEN');
    expect(message).not.toContain(secret);
  });
});
