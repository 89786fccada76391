import type { ParameterSpec, ParameterTable } from '../parameters.ts';
import { VMID_PARAMETERS } from '../pve-routes.ts';

const BOOLEANS =
  'acpi allow-ksm autostart ciupgrade freeze keephugepages kvm localtime numa onboot protection reboot tablet tdf template';

const STRINGS =
  'affinity agent amd-sev args audio0 boot bootdisk cdrom cicustom cipassword ciuser cpu efidisk0 hookscript ' +
  'hostpci[n] hotplug ide[n] intel-tdx ipconfig[n] ivshmem machine memory nameserver net[n] numa[n] parallel[n] ' +
  'rng0 sata[n] scsi[n] searchdomain serial[n] spice_enhancements sshkeys startdate startup tpmstate0 unused[n] ' +
  'usb[n] vga virtio[n] virtiofs[n] vmgenid watchdog';

const INTEGERS = {
  balloon: { min: 0 },
  cores: { min: 1 },
  cpuunits: { min: 1, max: 262_144 },
  migrate_speed: { min: 0 },
  shares: { min: 0, max: 50_000 },
  smp: { min: 1 },
  sockets: { min: 1 },
  vcpus: { min: 1 },
};

const ENUMS = {
  arch: 'x86_64 aarch64',
  bios: 'seabios ovmf',
  citype: 'configdrive2 nocloud opennebula',
  hugepages: 'any 2 1024',
  keyboard: 'de de-ch da en-gb en-us es fi fr fr-be fr-ca fr-ch hu is it ja lt mk nl no pl pt pt-br sv sl tr',
  lock: 'backup clone create migrate rollback snapshot snapshot-delete suspending suspended',
  ostype: 'other wxp w2k w2k3 w2k8 wvista win7 win8 win10 win11 l24 l26 solaris',
  scsihw: 'lsi lsi53c810 virtio-scsi-pci virtio-scsi-single megasas pvscsi',
};

/** Only since 9 (contracts/pve-api.json). */
const SINCE_9 = ['allow-ksm', 'intel-tdx'];

/** Parameters of PUT config, from Proxmox's own schema. */
export function vmConfigParameters(major: number): ParameterTable {
  const all: Record<string, ParameterSpec> = {
    ...VMID_PARAMETERS,
    ...table(BOOLEANS, { type: 'boolean', optional: true }),
    ...table(STRINGS, { type: 'string', optional: true }),
    cpulimit: { type: 'number', min: 0, max: 128, optional: true },
    migrate_downtime: { type: 'number', min: 0, optional: true },
    name: { type: 'string', format: 'dns-name', optional: true },
    description: { type: 'string', maxLength: 8192, optional: true },
    tags: { type: 'string', format: 'pve-tag-list', optional: true },
    smbios1: { type: 'string', maxLength: 512, optional: true },
    vmstatestorage: { type: 'string', format: 'pve-storage-id', optional: true },
    digest: { type: 'string', maxLength: 40, optional: true },
    delete: { type: 'string', format: 'pve-configid-list', optional: true },
    revert: { type: 'string', format: 'pve-configid-list', optional: true },
    force: { type: 'boolean', requires: 'delete', optional: true },
    skiplock: { type: 'boolean', rootOnly: true, optional: true },
  };
  for (const [name, range] of Object.entries(INTEGERS))
    all[name] = { type: 'integer', ...range, optional: true };
  for (const [name, words] of Object.entries(ENUMS)) {
    all[name] = { type: 'string', enum: words.split(' '), optional: true };
  }
  if (major < 9) for (const name of SINCE_9) delete all[name];
  return all;
}

/** What POST config takes besides. */
export const POST_ONLY_PARAMETERS = {
  background_delay: { type: 'integer', min: 1, max: 30, optional: true },
  'import-working-storage': { type: 'string', format: 'pve-storage-id', optional: true },
} as const satisfies ParameterTable;

/** Takes effect in a running VM at once; other changes wait for its next cold start. */
export const HOT_KEYS: ReadonlySet<string> = new Set(
  'name description tags onboot protection startup hookscript vmstatestorage shares cpuunits cpulimit'.split(
    ' ',
  ),
);

/** Which privilege a key needs (Qemu.pm check_vm_modify_config_perm). */
export function privilegesFor(key: string): readonly string[] {
  if (
    /^(?:ciuser|cipassword|citype|ciupgrade|cicustom|sshkeys|ipconfig\d+|nameserver|searchdomain)$/.test(key)
  ) {
    return ['VM.Config.Cloudinit', 'VM.Config.Network'];
  }
  if (/^(?:cores|sockets|cpu|cpulimit|cpuunits|vcpus|smp|numa\d*|affinity)$/.test(key))
    return ['VM.Config.CPU'];
  if (/^(?:memory|balloon|shares|hugepages|keephugepages)$/.test(key)) return ['VM.Config.Memory'];
  if (/^net\d+$/.test(key)) return ['VM.Config.Network'];
  if (/^(?:scsi|sata|virtio|ide|unused)\d+$|^(?:efidisk0|tpmstate0|vmstate)$/.test(key))
    return ['VM.Config.Disk'];
  return ['VM.Config.Options'];
}

function table(names: string, spec: ParameterSpec): ParameterTable {
  return Object.fromEntries(names.split(' ').map((name) => [name, spec]));
}
