import type { Preset } from '../core/start-request.ts';

/** The presets of local mode; the simulators are filled with what they start from. */
export const LOCAL_PRESETS: readonly Preset[] = [
  {
    name: '4vcpu_8gb_32gb',
    vcpus: 4,
    memoryMib: 8192,
    diskGib: 32,
    sources: {
      'pve-vm': { templates: [{ vmid: 9000, expectedName: 'cmux-template-4vcpu-8gb' }] },
      'pve-lxc': { templates: [{ vmid: 9100, expectedName: 'cmux-container-4vcpu-8gb' }] },
      morph: { snapshotId: 'snapshot_sim4vcpu' },
    },
  },
  {
    name: '6vcpu_8gb_32gb',
    vcpus: 6,
    memoryMib: 8192,
    diskGib: 32,
    sources: {
      'pve-vm': { templates: [{ vmid: 9001, expectedName: 'cmux-template-6vcpu-8gb' }] },
      'pve-lxc': { templates: [{ vmid: 9101, expectedName: 'cmux-container-6vcpu-8gb' }] },
      morph: { snapshotId: 'snapshot_sim6vcpu' },
    },
  },
];

/** A template that a simulated Proxmox has before the first clone. */
export interface LocalTemplate {
  readonly kind: 'qemu' | 'lxc';
  readonly vmid: number;
  readonly name: string;
  readonly cores: number;
  readonly memoryMib: number;
  readonly diskGib: number;
}

/** A snapshot that a simulated Morph has before the first start. */
export interface LocalSnapshot {
  readonly id: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskGib: number;
}

/** Every template that presets start from, each once. */
export function templatesOf(presets: readonly Preset[]): readonly LocalTemplate[] {
  const byVmid = new Map<number, LocalTemplate>();
  for (const { sources, vcpus: cores, memoryMib, diskGib } of presets) {
    for (const [kind, source] of [
      ['qemu', sources['pve-vm']],
      ['lxc', sources['pve-lxc']],
    ] as const) {
      for (const { vmid, expectedName: name } of source?.templates ?? []) {
        if (!byVmid.has(vmid)) byVmid.set(vmid, { kind, vmid, name, cores, memoryMib, diskGib });
      }
    }
  }
  return [...byVmid.values()];
}

/** Every Morph snapshot that presets start from, each once. */
export function snapshotsOf(presets: readonly Preset[]): readonly LocalSnapshot[] {
  const byId = new Map<string, LocalSnapshot>();
  for (const { sources, vcpus, memoryMib, diskGib } of presets) {
    const id = sources.morph?.snapshotId;
    if (id !== undefined && !byId.has(id)) byId.set(id, { id, vcpus, memoryMib, diskGib });
  }
  return [...byId.values()];
}
