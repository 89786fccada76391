import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/platform/config.ts';
import { isConfigError } from '../../src/platform/config-error.ts';
import { LOCAL_PRESETS, snapshotsOf, templatesOf } from '../../src/platform/local-presets.ts';

const folder = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-presets-'));
const file = join(folder, 'presets.json');

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SMALL = {
  vcpus: 2,
  memoryMib: 4096,
  diskGib: 16,
  sources: {
    'pve-vm': { templates: [{ vmid: 9100, expectedName: 'small' }] },
    morph: { snapshotId: 'snapshot_small' },
  },
};

function load(content: unknown, variables: Readonly<Record<string, string>> = {}) {
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return loadConfig({ ...variables, SANDBOX_PRESETS_FILE: file });
}

function complaints(content: unknown) {
  try {
    load(content);
  } catch (error) {
    if (isConfigError(error)) return error.problems;
    throw error;
  }
  throw new Error('the file was accepted');
}

describe('the file of presets', () => {
  it('replaces the built-in ones', () => {
    expect(load({ small: SMALL }).presets).toEqual([{ name: 'small', ...SMALL }]);
  });

  it('warns of a preset without a source for a provider of the route', () => {
    const { morph: _, ...withoutMorph } = SMALL.sources;
    const { warnings } = load({ small: { ...SMALL, sources: withoutMorph } });
    expect(warnings).toEqual([expect.stringMatching(/small.*morph/)]);
    expect(load({ small: SMALL }).warnings).toEqual([]);
  });

  it.each<[string, unknown, string]>([
    ['a size that is no whole number', { small: { ...SMALL, vcpus: 1.5 } }, 'small › vcpus'],
    ['no CPU', { small: { ...SMALL, vcpus: 0 } }, 'small › vcpus'],
    ['too little memory', { small: { ...SMALL, memoryMib: 127 } }, 'small › memoryMib'],
    ['a missing size', { small: { ...SMALL, diskGib: undefined } }, 'small › diskGib'],
    ['an unknown field', { small: { ...SMALL, cpus: 2 } }, 'small'],
    ['an unknown provider', { small: { ...SMALL, sources: { docker: {} } } }, 'small › sources'],
    ['no source', { small: { ...SMALL, sources: {} } }, 'small › sources'],
    [
      'a template without the name that guards against reused ids',
      { small: { ...SMALL, sources: { 'pve-vm': { templates: [{ vmid: 9000 }] } } } },
      'small › sources › pve-vm › templates › 0 › expectedName',
    ],
    [
      'no template',
      { small: { ...SMALL, sources: { 'pve-vm': { templates: [] } } } },
      'small › sources › pve-vm › templates',
    ],
    ['a name that is no word', { 'a b': SMALL }, 'a b'],
  ])('with %s is refused, its place named', (_case, content, place) => {
    const settings = complaints(content).map(({ setting }) => setting);
    expect(settings).toContain(`SANDBOX_PRESETS_FILE › ${place}`);
  });

  const withTemplate = (vmid: number) => ({
    small: { ...SMALL, sources: { 'pve-lxc': { templates: [{ vmid, expectedName: 'small' }] } } },
  });

  it.each([20_000, 29_999])('with a template at %i, where sandboxes get their VMIDs, is refused', (vmid) => {
    expect(complaints(withTemplate(vmid))).toEqual([
      {
        setting: 'SANDBOX_PRESETS_FILE › small › sources › pve-lxc › templates › 0 › vmid',
        problem: `${vmid} lies in PVE_VMID_RANGE, 20000-29999, from which sandboxes get their VMIDs`,
        remedy: expect.stringMatching(/outside.*PVE_VMID_RANGE/),
      },
    ]);
  });

  it('may have templates right outside the range, wherever that lies', () => {
    const { warnings: _, presets } = load(withTemplate(19_999));
    expect(presets).toHaveLength(1);
    expect(load(withTemplate(30_000)).presets).toHaveLength(1);
    expect(load(withTemplate(20_000), { PVE_VMID_RANGE: '30000-30099' }).presets).toHaveLength(1);
  });

  it('that holds no preset is told as that, not as missing', () => {
    const service = { REDIS_URL: 'redis://127.0.0.1', DEPLOYMENT: 'empty', MORPH_API_KEY: 'key' };
    const { warnings } = load({}, service);
    expect(warnings.join()).toContain('holds no preset');
    expect(warnings.join()).not.toContain('is not set');
  });

  it.each<[string, unknown, string]>([
    ['a missing size', { small: { ...SMALL, diskGib: undefined } }, 'it is missing'],
    ['a size in quotes', { small: { ...SMALL, diskGib: '16' } }, 'it must be a number'],
    ['half a processor', { small: { ...SMALL, vcpus: 0.5 } }, 'it must be a whole number'],
    ['no processor', { small: { ...SMALL, vcpus: 0 } }, 'it must be at least 1'],
    ['a list of presets', [SMALL], 'it must be an object'],
    ['a preset that is a list', { small: [] }, 'it must be an object'],
    [
      'templates that are no list',
      { small: { ...SMALL, sources: { 'pve-vm': { templates: {} } } } },
      'it must be a list',
    ],
    [
      'no template',
      { small: { ...SMALL, sources: { 'pve-vm': { templates: [] } } } },
      'it must not be empty',
    ],
    ['an unknown field', { small: { ...SMALL, cpus: 2 } }, 'there is no field named cpus'],
    ['a name that is no word', { 'a b': SMALL }, 'it must be a name of letters, digits, _ . -'],
  ])('with %s is refused in words for people', (_case, content, problem) => {
    expect(complaints(content).map((told) => told.problem)).toContain(problem);
  });

  it('tells every fault at once', () => {
    expect(complaints({ a: { ...SMALL, vcpus: 0 }, b: { ...SMALL, vcpus: 0 } })).toHaveLength(2);
  });

  it('that is no JSON, or is not there, is refused with the reason', () => {
    const [noJson] = complaints('{');
    expect(noJson?.problem).toContain('is no JSON');
    expect(noJson?.remedy).toContain('docs/how-to/add-a-template.md');
    expect(() => loadConfig({ SANDBOX_PRESETS_FILE: join(folder, 'missing.json') })).toThrow(
      'cannot be read',
    );
  });
});

describe('the local presets', () => {
  it('all have sources for every simulated provider', () => {
    expect(loadConfig({}).warnings).toEqual([]);
  });

  it('describe what the simulators have to hold', () => {
    expect(templatesOf(LOCAL_PRESETS)).toEqual([
      { kind: 'qemu', vmid: 9000, name: 'cmux-template-4vcpu-8gb', cores: 4, memoryMib: 8192, diskGib: 32 },
      { kind: 'lxc', vmid: 9100, name: 'cmux-container-4vcpu-8gb', cores: 4, memoryMib: 8192, diskGib: 32 },
      { kind: 'qemu', vmid: 9001, name: 'cmux-template-6vcpu-8gb', cores: 6, memoryMib: 8192, diskGib: 32 },
      { kind: 'lxc', vmid: 9101, name: 'cmux-container-6vcpu-8gb', cores: 6, memoryMib: 8192, diskGib: 32 },
    ]);
    expect(snapshotsOf(LOCAL_PRESETS)).toEqual([
      { id: 'snapshot_sim4vcpu', vcpus: 4, memoryMib: 8192, diskGib: 32 },
      { id: 'snapshot_sim6vcpu', vcpus: 6, memoryMib: 8192, diskGib: 32 },
    ]);
  });

  it('name a source once that two presets share', () => {
    const twice = LOCAL_PRESETS.flatMap((preset) => [preset, { ...preset, name: `${preset.name}-again` }]);
    expect(templatesOf(twice)).toEqual(templatesOf(LOCAL_PRESETS));
    expect(snapshotsOf(twice)).toEqual(snapshotsOf(LOCAL_PRESETS));
  });
});
