import type { ParameterSpec, ParameterTable } from '../parameters.ts';
import { VMID_PARAMETERS } from '../pve-routes.ts';

const BOOLEANS = 'console debug onboot protection template unprivileged';

const STRINGS =
  'dev[n] features hookscript mp[n] nameserver net[n] rootfs searchdomain startup timezone unused[n]';

const INTEGERS = {
  cores: { min: 1, max: 8192 },
  cpuunits: { min: 0, max: 500_000 },
  memory: { min: 16 },
  swap: { min: 0 },
  tty: { min: 0, max: 6 },
};

const ENUMS = {
  arch: 'amd64 i386 arm64 armhf riscv32 riscv64',
  cmode: 'shell console tty',
  lock: 'backup create destroyed disk fstrim migrate mounted rollback snapshot snapshot-delete',
  ostype: 'debian devuan ubuntu centos fedora opensuse archlinux alpine gentoo nixos unmanaged',
};

/** Parameters of PUT config, from Proxmox's own schema. `env` and `entrypoint` came with 9.1 (OCI images). */
export function ctConfigParameters(version: {
  readonly major: number;
  readonly minor: number;
}): ParameterTable {
  const all: Record<string, ParameterSpec> = {
    ...VMID_PARAMETERS,
    ...table(BOOLEANS, { type: 'boolean', optional: true }),
    ...table(STRINGS, { type: 'string', optional: true }),
    cpulimit: { type: 'number', min: 0, max: 8192, optional: true },
    hostname: { type: 'string', format: 'dns-name', maxLength: 255, optional: true },
    description: { type: 'string', maxLength: 8192, optional: true },
    tags: { type: 'string', format: 'pve-tag-list', optional: true },
    digest: { type: 'string', maxLength: 40, optional: true },
    delete: { type: 'string', format: 'pve-configid-list', optional: true },
    revert: { type: 'string', format: 'pve-configid-list', optional: true },
  };
  for (const [name, range] of Object.entries(INTEGERS))
    all[name] = { type: 'integer', ...range, optional: true };
  for (const [name, words] of Object.entries(ENUMS)) {
    all[name] = { type: 'string', enum: words.split(' '), optional: true };
  }
  if (version.major > 9 || (version.major === 9 && version.minor >= 1)) {
    all.entrypoint = { type: 'string', pattern: ONE_LINE, optional: true };
    all.env = { type: 'string', pattern: ENVIRONMENT, optional: true };
  }
  return all;
}

/** As the schema writes them: `NAME=value` pairs with NUL between them, no control characters but the tab. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the official pattern forbids exactly these.
const ONE_LINE = /^[^\x00-\x08\x0a-\x1F\x7F]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the official pattern forbids exactly these.
const ENVIRONMENT = /^\w+=[^\x00-\x08\x0a-\x1F\x7F]*(?:\0\w+=[^\x00-\x08\x0a-\x1F\x7F]*)*$/;

/** Takes effect in a running container at once (LXC/Config.pm vmconfig_hotplug_pending). */
export function isHotCtKey(key: string): boolean {
  return HOT_KEYS.has(key) || /^(?:net|mp|dev)\d+$/.test(key);
}

const HOT_KEYS: ReadonlySet<string> = new Set(
  'description onboot startup protection hostname hookscript cores tags lock cpulimit cpuunits memory swap'.split(
    ' ',
  ),
);

function table(names: string, spec: ParameterSpec): ParameterTable {
  return Object.fromEntries(names.split(' ').map((name) => [name, spec]));
}
