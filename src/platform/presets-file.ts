import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Preset } from '../core/start-request.ts';
import type { Problems } from './config-problems.ts';

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

/** Reads the file of presets, name → size and sources. What is wrong is reported with its place in the file. */
export function readPresetsFile(path: string, problems: Problems): readonly Preset[] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const readable = error instanceof SyntaxError ? 'is no JSON' : 'cannot be read';
    problems.add('SANDBOX_PRESETS_FILE', `${path} ${readable}: ${(error as Error).message}`);
    return [];
  }
  const parsed = presetsFile.safeParse(content);
  if (parsed.success) {
    // zod's optional fields allow an explicit `undefined`; JSON has none.
    return Object.entries(parsed.data).map(([name, rest]) => ({ name, ...rest }) as Preset);
  }
  for (const { path: place, message } of parsed.error.issues) {
    const setting = ['SANDBOX_PRESETS_FILE', ...place.map(String)].join(' › ');
    problems.addOther({ setting, problem: message, remedy: `correct it in ${path}` });
  }
  return [];
}
