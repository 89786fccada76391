import { describe, expect, it } from 'vitest';
import {
  isProviderName,
  normaliseProviderName,
  PROVIDER_NAMES,
  type ProxmoxPreference,
} from '../../src/core/provider-name.ts';

describe('normaliseProviderName', () => {
  it.each(PROVIDER_NAMES)('keeps the canonical name %s, whatever is preferred', (name) => {
    expect(normaliseProviderName(name)).toBe(name);
    expect(normaliseProviderName(name, { useKvm: false, defaultKind: 'lxc' })).toBe(name);
  });

  it.each([
    ['proxmox-kvm', 'pve-vm'],
    ['proxmox-vm', 'pve-vm'],
    ['proxmox-lxc', 'pve-lxc'],
    [' Morph ', 'morph'],
    ['PVE-LXC', 'pve-lxc'],
    ['PROXMOX', 'pve-vm'],
  ])('reads "%s" as %s', (name, canonical) => {
    expect(normaliseProviderName(name)).toBe(canonical);
  });

  it.each<[ProxmoxPreference, string]>([
    [{}, 'pve-vm'],
    [{ useKvm: true }, 'pve-vm'],
    [{ useKvm: false }, 'pve-lxc'],
    [{ defaultKind: 'vm' }, 'pve-vm'],
    [{ defaultKind: 'lxc' }, 'pve-lxc'],
    [{ useKvm: true, defaultKind: 'lxc' }, 'pve-lxc'],
  ])('reads "proxmox" with %j as %s', (preference, canonical) => {
    expect(normaliseProviderName('proxmox', preference)).toBe(canonical);
  });

  it.each(['', ' ', 'docker', 'pve', 'proxmox-', 'pve_vm', 'morph2', '__proto__', 'toString'])(
    'knows nobody called "%s"',
    (name) => {
      expect(normaliseProviderName(name)).toBeUndefined();
    },
  );
});

describe('isProviderName', () => {
  it('takes canonical names only', () => {
    expect(PROVIDER_NAMES.every(isProviderName)).toBe(true);
    expect(['proxmox', 'PVE-VM', ' morph'].some(isProviderName)).toBe(false);
  });
});
