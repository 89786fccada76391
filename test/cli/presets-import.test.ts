/** `presets import`: manifests in the form of cmux's become a presets file that can be read. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createProblems } from '../../src/platform/config-problems.ts';
import { readPresetsFile } from '../../src/platform/presets-file.ts';
import { type AsIfReal, startAsIfReal } from '../support/as-if-real.ts';
import { cli } from './run.ts';

const entry = (presetId: string, disk: string, versions: readonly object[]) => ({
  presetId,
  label: 'Standard workspace',
  cpu: '4 vCPU',
  memory: '8 GB RAM',
  disk,
  versions,
});
const MORPH = {
  schemaVersion: 1,
  presets: [
    entry('4vcpu_8gb_32gb', '32 GB SSD', [
      { version: 10, snapshotId: 'snapshot_newer', capturedAt: '2026-01-02T00:00:00Z' },
      { version: 9, snapshotId: 'snapshot_older', capturedAt: '2026-01-01T00:00:00Z' },
    ]),
    entry('6vcpu_8gb_32gb', '32 GB SSD', [{ version: 1, snapshotId: 'snapshot_six' }]),
  ],
};
const PVE_LXC = {
  schemaVersion: 2,
  baseTemplateVmid: 9000,
  node: 'pve1',
  presets: [
    entry('4vcpu_8gb_32gb', '32 GB SSD', [{ version: 7, snapshotId: 'snapshot_a', templateVmid: 9100 }]),
    entry('6vcpu_8gb_40gb', '40 GB SSD', [{ version: 3, snapshotId: 'snapshot_b', templateVmid: 9555 }]),
  ],
};

let folder: string;
let manifests: readonly string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-presets-'));
  const write = (name: string, content: unknown) => {
    writeFileSync(join(folder, name), JSON.stringify(content));
    return join(folder, name);
  };
  manifests = ['--morph', write('morph.json', MORPH), '--pve-lxc', write('lxc.json', PVE_LXC)];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('takes the newest version of each, joins by name, and tells what it left out', async () => {
  const { status, out, err } = await cli([
    'presets',
    'import',
    ...manifests,
    '--template-name',
    '9100=cmux-4vcpu',
  ]);
  expect(status).toBe(0);
  expect(JSON.parse(out)).toEqual({
    '4vcpu_8gb_32gb': {
      vcpus: 4,
      memoryMib: 8192,
      diskGib: 32,
      sources: {
        'pve-lxc': { templates: [{ vmid: 9100, expectedName: 'cmux-4vcpu' }] },
        morph: { snapshotId: 'snapshot_newer' },
      },
    },
    '6vcpu_8gb_32gb': {
      vcpus: 4,
      memoryMib: 8192,
      diskGib: 32,
      sources: { morph: { snapshotId: 'snapshot_six' } },
    },
  });
  expect(err).toContain('left out: 4vcpu_8gb_32gb on morph: 1 older versions');
  expect(err).toContain('left out: 6vcpu_8gb_40gb on pve-lxc: the name of template 9555 is not known');
  expect(err).toContain('left out: 6vcpu_8gb_40gb: nothing to start it from is left');
  expect(err).toContain('left out: pve-vm: cmux has no templates of VMs');
});

it('writes a file that the configuration takes, and never over one that is there', async () => {
  const file = join(folder, 'presets.json');
  const words = ['presets', 'import', ...manifests, '--join', '6vcpu_8gb_40gb=6vcpu_8gb_32gb', '--out', file];
  expect(await cli(words)).toMatchObject({ status: 0, out: '' });
  const problems = createProblems();
  const presets = readPresetsFile(file, undefined, problems);
  expect(problems.all).toEqual([]);
  expect(presets.find(({ name }) => name === '6vcpu_8gb_40gb')).toMatchObject({
    diskGib: 40,
    sources: { morph: { snapshotId: 'snapshot_six' } },
  });
  const before = readFileSync(file, 'utf8');
  expect(await cli(words)).toMatchObject({ status: 2 });
  expect(readFileSync(file, 'utf8')).toBe(before);
});

it('reads the names of templates from Proxmox where its credentials are set', async () => {
  const providers: AsIfReal = await startAsIfReal();
  try {
    const { out } = await cli(['presets', 'import', ...manifests], providers.pve);
    expect(JSON.parse(out)['4vcpu_8gb_32gb'].sources['pve-lxc']).toEqual({
      templates: [{ vmid: 9100, expectedName: 'cmux-container-4vcpu-8gb' }],
    });
  } finally {
    await providers.close();
  }
});

it.each([
  ['no manifest', []],
  ['a file that is none', ['--morph', 'package.json']],
  ['a file that is not there', ['--pve-lxc', '/nonexistent.json']],
  ['a name without a VMID', ['--morph', 'package.json', '--template-name', 'cmux']],
])('%s is refused', async (_what, words) => {
  expect(await cli(['presets', 'import', ...words])).toMatchObject({ status: 2, out: '' });
});
