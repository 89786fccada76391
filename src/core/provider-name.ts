/**
 * Canonical provider names. Adding one makes the compiler point at every table that needs a row. A new one goes to the
 * end: the ledger keeps some by their position (`store/meant-for.ts`).
 */
export const PROVIDER_NAMES = ['pve-vm', 'pve-lxc', 'morph'] as const;

export type ProviderName = (typeof PROVIDER_NAMES)[number];

/**
 * Whether this kind of provider keeps memory while paused at all. Proxmox suspends virtual machines to disk
 * and has no checkpoint for containers. What a deployment's provider really does is what its workers publish.
 */
export const CAN_KEEP_MEMORY = {
  'pve-vm': true,
  'pve-lxc': false,
  morph: true,
} as const satisfies Record<ProviderName, boolean>;

/** Whether the provider pauses a guest by a TTL of its own: our dead-man switch, which has to be renewed. */
export const HAS_OWN_TTL = {
  'pve-vm': false,
  'pve-lxc': false,
  morph: true,
} as const satisfies Record<ProviderName, boolean>;

export function isProviderName(value: string): value is ProviderName {
  return (PROVIDER_NAMES as readonly string[]).includes(value);
}

/** How the ambiguous alias `proxmox` is to be read; see `normaliseProviderName`. */
export interface ProxmoxPreference {
  readonly useKvm?: boolean;
  readonly defaultKind?: 'vm' | 'lxc';
}

/**
 * Maps the names that cmux and its roadmap use to canonical ones; `undefined` for a name nobody knows.
 * `proxmox` means containers only if the operator said so, because only full VMs keep their memory.
 */
export function normaliseProviderName(
  name: string,
  preference: ProxmoxPreference = {},
): ProviderName | undefined {
  const wanted = name.trim().toLowerCase();
  if (isProviderName(wanted)) return wanted;
  if (wanted === 'proxmox-kvm' || wanted === 'proxmox-vm') return 'pve-vm';
  if (wanted === 'proxmox-lxc') return 'pve-lxc';
  if (wanted === 'proxmox') {
    return preference.useKvm === false || preference.defaultKind === 'lxc' ? 'pve-lxc' : 'pve-vm';
  }
  return undefined;
}
