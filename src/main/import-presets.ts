/** Turns cmux's two snapshot manifests into our presets, and says what it leaves out and why. Pure. */
import { z } from 'zod';
import type { Preset, Sources } from '../core/start-request.ts';

const version = z.object({
  version: z.number(),
  snapshotId: z.string(),
  templateVmid: z.number().optional(),
});

/** As cmux writes them; more fields are passed over. */
export const manifestSchema = z.object({
  presets: z.array(
    z.object({
      presetId: z.string(),
      cpu: z.string(),
      memory: z.string(),
      disk: z.string(),
      versions: z.array(version),
    }),
  ),
});

export type Manifest = z.output<typeof manifestSchema>;
type Entry = Manifest['presets'][number];

export interface ImportInput {
  readonly morph?: Manifest;
  readonly pveLxc?: Manifest;
  /** Names of templates by VMID, as Proxmox knows them. */
  readonly templateNames: ReadonlyMap<number, string>;
  /** A preset, and the one whose Morph snapshot it takes: the two manifests do not name all sizes alike. */
  readonly joined: Readonly<Record<string, string>>;
}

export interface ImportResult {
  readonly presets: Readonly<Record<string, Omit<Preset, 'name'>>>;
  /** One sentence each. */
  readonly leftOut: readonly string[];
}

const MIB_PER_GB = 1024;

export function importPresets({ morph, pveLxc, templateNames, joined }: ImportInput): ImportResult {
  const leftOut: string[] = [];
  const presets: Record<string, Omit<Preset, 'name'>> = {};
  const [byMorph, byLxc] = [entriesOf(morph), entriesOf(pveLxc)];

  for (const name of new Set([...byLxc.keys(), ...byMorph.keys()])) {
    const [lxc, own] = [byLxc.get(name), byMorph.get(name)];
    const snapshot = own ?? byMorph.get(joined[name] ?? '');
    const size = sizeOf((lxc ?? own) as Entry);
    if (size === undefined) {
      leftOut.push(`${name}: its size cannot be read`);
      continue;
    }
    const sources: Sources = {
      ...(lxc && containerSource(name, lxc, templateNames, leftOut)),
      ...(snapshot && morphSource(name, snapshot, leftOut)),
    };
    if (Object.keys(sources).length === 0) {
      leftOut.push(`${name}: nothing to start it from is left`);
      continue;
    }
    if (sources.morph === undefined) {
      leftOut.push(
        `${name} on morph: no snapshot has this size, so it cannot fall back (--join takes another's)`,
      );
    }
    presets[name] = { ...size, sources };
  }
  leftOut.push('pve-vm: cmux has no templates of VMs; add "pve-vm" sources by hand');
  return { presets, leftOut };
}

function entriesOf(manifest: Manifest | undefined): ReadonlyMap<string, Entry> {
  return new Map((manifest?.presets ?? []).map((entry) => [entry.presetId, entry]));
}

function containerSource(
  name: string,
  entry: Entry,
  templateNames: ReadonlyMap<number, string>,
  leftOut: string[],
): Pick<Sources, 'pve-lxc'> {
  const vmid = newest(name, 'pve-lxc', entry, leftOut)?.templateVmid;
  if (vmid === undefined) return {};
  const expectedName = templateNames.get(vmid);
  if (expectedName === undefined) {
    leftOut.push(
      `${name} on pve-lxc: the name of template ${vmid} is not known, and VMIDs get reused (--template-name ${vmid}=<name>)`,
    );
    return {};
  }
  return { 'pve-lxc': { templates: [{ vmid, expectedName }] } };
}

function morphSource(name: string, entry: Entry, leftOut: string[]): Pick<Sources, 'morph'> {
  const snapshotId = newest(name, 'morph', entry, leftOut)?.snapshotId;
  return snapshotId === undefined ? {} : { morph: { snapshotId } };
}

/** A manifest keeps every version; only the newest is started. */
function newest(name: string, provider: string, { versions }: Entry, leftOut: string[]) {
  const [latest, ...older] = [...versions].sort((one, other) => other.version - one.version);
  if (older.length > 0) leftOut.push(`${name} on ${provider}: ${older.length} older versions`);
  return latest;
}

function sizeOf({ cpu, memory, disk }: Entry): Omit<Preset, 'name' | 'sources'> | undefined {
  const [vcpus, memoryGb, diskGib] = [cpu, memory, disk].map((text) => Number.parseInt(text, 10));
  if (!vcpus || !memoryGb || !diskGib) return undefined;
  return { vcpus, memoryMib: memoryGb * MIB_PER_GB, diskGib };
}
