/** The doctor, against endpoints with one thing wrong each. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Preset } from '../../src/core/start-request.ts';
import { type Backends, simulatedBackends, startLocalSimulators } from '../../src/main/backends.ts';
import { describeExamination, type Examination, examineAll } from '../../src/main/doctor.ts';
import { LOCAL_PRESETS } from '../../src/platform/local-presets.ts';
import { neededPrivileges } from '../../src/providers/pve/pve-privileges.ts';
import { allPrivileges } from '../../src/simulators/pve/access.ts';
import { startSimulators } from '../../src/simulators/simulators.ts';
import { TEMPLATE, TOKEN } from './rig.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const PRESET: Preset = {
  name: 'small',
  vcpus: 2,
  memoryMib: 2048,
  diskGib: 8,
  sources: { 'pve-vm': { templates: [{ vmid: TEMPLATE.vmid, expectedName: TEMPLATE.name }] } },
};

type PveOptions = NonNullable<Parameters<typeof startSimulators>[0]['pve']>;

async function examinePve(
  options: Partial<PveOptions>,
  changes: Partial<NonNullable<Backends['pve']>> = {},
  preset = PRESET,
) {
  const { pve, close } = await startSimulators({ pve: { token: TOKEN, templates: [TEMPLATE], ...options } });
  closers.push(close);
  const report = await examineAll(
    {
      pve: {
        kinds: ['pve-vm'],
        apiUrl: pve.url,
        apiToken: TOKEN,
        cordonedNodes: [],
        reserves: { hostMib: 2048, resumeShare: 0.1 },
        execToken: false,
        setClock: false,
        tls: { verify: true },
        vmidRange: { first: 20_000, last: 29_999 },
        failureDomain: 'pve:test',
        simulated: true,
        ...changes,
      },
    },
    [preset],
  );
  return { healthy: report.fit, text: textOf(report.providers) };
}

function textOf(examinations: readonly Examination[]): string {
  return examinations.map(describeExamination).join('\n');
}

it('finds local mode in order, with every preset on every provider', async () => {
  const simulators = await startLocalSimulators({ presets: LOCAL_PRESETS });
  closers.push(simulators.close);
  const { fit, providers } = await examineAll(simulatedBackends(simulators), LOCAL_PRESETS);
  expect(fit).toBe(true);
  expect(textOf(providers).match(/sandboxes fit/g)).toHaveLength(4);
  expect(textOf(providers)).not.toMatch(/PROBLEM|warning/);
});

it('says how many sandboxes of a preset fit', async () => {
  const { text } = await examinePve({ nodeMemoryMib: 10_240 });
  expect(text).toContain('small: 3 more sandboxes fit');
});

describe('privileges', () => {
  it.each([
    ['9.2.3', 'VM.GuestAgent.Audit'],
    ['8.4.5', 'VM.Monitor'],
  ])(
    'names the one that %s needs for the agent, and the commands for all of them',
    async (version, privilege) => {
      const acl = { '/': allPrivileges(Number(version[0])).filter((held) => held !== privilege) };
      const { healthy, text } = await examinePve({ version, acl });
      expect(healthy).toBe(false);
      expect(text).toContain(`the token lacks ${privilege} on /vms`);
      expect(text).toMatch(new RegExp(`pveum role add CmuxLifecycle --privs ".*${privilege}`));
      expect(text).toContain('pveum user token add cmux@pve lifecycle --privsep 0');
      expect(text).toContain('pveum acl modify /nodes --users cmux@pve --roles CmuxLifecycle');
    },
  );

  it('does not ask for the agent where nobody needs it', () => {
    const needed = neededPrivileges({ major: 9, asksAgent: false, cloudInit: false, setClock: false });
    expect(needed.map(({ privilege }) => privilege)).not.toContain('VM.GuestAgent.Audit');
  });

  it.each([
    ['9.2.3', 'VM.GuestAgent.Unrestricted'],
    ['8.4.5', 'VM.Monitor'],
  ])('names the one that %s needs to set clocks, once', async (version, privilege) => {
    const acl = { '/': allPrivileges(Number(version[0])).filter((held) => held !== privilege) };
    const { text } = await examinePve({ version, acl }, { setClock: true });
    expect(text).toContain(`the token lacks ${privilege} on /vms: PVE_SET_CLOCK`);
    const asked = neededPrivileges({
      major: Number(version[0]),
      asksAgent: true,
      cloudInit: false,
      setClock: true,
    });
    expect(asked.filter(({ privilege: name }) => name === privilege)).toHaveLength(1);
  });

  it('is satisfied with exactly those it names', async () => {
    const needed = neededPrivileges({ major: 9, asksAgent: true, cloudInit: false, setClock: false });
    const { healthy } = await examinePve({ acl: { '/': needed.map(({ privilege }) => privilege) } });
    expect(healthy).toBe(true);
  });
});

describe('templates', () => {
  const preset = (vmid: number, expectedName: string): Preset => ({
    ...PRESET,
    sources: { 'pve-vm': { templates: [{ vmid, expectedName }] } },
  });

  it.each([
    ['that is not there', preset(9009, 'x'), 'template 9009 is not there', 'qm template 9009'],
    ['of another name', preset(9000, 'x'), 'is called tpl-small, not x', ''],
  ])('refuses one %s', async (_, wanted, problem, remedy) => {
    const { healthy, text } = await examinePve({}, {}, wanted);
    expect(healthy).toBe(false);
    expect(text).toContain(problem);
    expect(text).toContain(remedy);
  });
});

it('says what is wrong with the address or the token in one line', async () => {
  const { healthy, text } = await examinePve({}, { apiToken: 'root@pam!test=wrong' });
  expect(healthy).toBe(false);
  expect(text).toContain('Check PVE_API_TOKEN');
  expect(text).not.toContain('wrong');
});
