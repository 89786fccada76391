import { z } from 'zod';
import type { Preset } from '../core/start-request.ts';
import type { Problems } from './config-problems.ts';
import { placeIn, readJsonFile } from './json-file.ts';

/** Proxmox takes template ids in the same range as any other. */
const template = z.strictObject({
  vmid: z.int().min(100).max(999_999_999),
  expectedName: z.string().min(1),
});
const templates = z.strictObject({ templates: z.array(template).min(1) });

const preset = z.strictObject({
  vcpus: z.int().min(1),
  memoryMib: z.int().min(128),
  diskGib: z.int().min(1),
  sources: z
    .strictObject({
      'pve-vm': templates.optional(),
      'pve-lxc': templates.optional(),
      morph: z.strictObject({ snapshotId: z.string().min(1) }).optional(),
    })
    .refine((sources) => Object.values(sources).some((source) => source !== undefined), {
      message: 'no provider has a source',
    }),
});

const presetsFile = z.record(z.string().regex(/^[\w.-]{1,64}$/, 'a name of letters, digits, _ . -'), preset);

/** Both ends belong to it. */
type VmidRange = { readonly first: number; readonly last: number };

/**
 * Reads the file of presets, name → size and sources. What is wrong is reported with its place in the file.
 * @param vmids from which sandboxes get theirs; absent when that setting is in trouble itself
 */
export function readPresetsFile(
  path: string,
  vmids: VmidRange | undefined,
  problems: Problems,
): readonly Preset[] {
  const file = readJsonFile({ setting: 'SANDBOX_PRESETS_FILE', path, schema: presetsFile }, problems);
  // zod's optional fields allow an explicit `undefined`; JSON has none.
  const presets = Object.entries(file?.data ?? {}).map(([name, rest]) => ({ name, ...rest }) as Preset);
  if (vmids) for (const preset of presets) refuseTemplatesWithin(vmids, preset, problems);
  return presets;
}

/** Nothing else may use the range: there a template is in the way of a sandbox to come. */
function refuseTemplatesWithin(
  { first, last }: VmidRange,
  { name, sources }: Preset,
  problems: Problems,
): void {
  for (const provider of ['pve-vm', 'pve-lxc'] as const) {
    for (const [index, { vmid }] of (sources[provider]?.templates ?? []).entries()) {
      if (vmid < first || vmid > last) continue;
      const place = [name, 'sources', provider, 'templates', index, 'vmid'];
      problems.addOther({
        setting: placeIn('SANDBOX_PRESETS_FILE', place),
        problem: `${vmid} lies in PVE_VMID_RANGE, ${first}-${last}, from which sandboxes get their VMIDs`,
        remedy: 'make the template under a VMID outside of it, or give another PVE_VMID_RANGE',
      });
    }
  }
}
