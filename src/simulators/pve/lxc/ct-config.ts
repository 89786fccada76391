import { type Access, forbidden } from '../access.ts';
import { refuseWithoutQuorum } from '../cluster.ts';
import {
  applyConfigChange,
  type ConfigChange,
  type ConfigValues,
  checkDigest,
  digestOf,
  planConfigChange,
} from '../config-change.ts';
import { applyPending } from '../guest-power.ts';
import { PveFailure } from '../pve-failure.ts';
import { checkLock, loadGuest, type PveGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';
import { ctDescription } from '../templates.ts';
import { isHotCtKey } from './ct-config-parameters.ts';
import { withCtLock } from './ct-locks.ts';

/** GET config: what the next start will use, unless `current` is asked for. */
export function readCtConfig(guest: PveGuest, options: { readonly current: boolean }) {
  const config = options.current ? guest.config : applyPending(guest);
  return { ...config, digest: digestOf(guest.config) };
}

/** PUT config, under the file lock; there is no POST. A locked container cannot be changed. */
export function updateCtConfig(
  world: PveWorld,
  at: { readonly node: string; readonly vmid: number; readonly access: Access },
  values: ConfigValues,
): Promise<void> {
  const change = planConfigChange(values, ctDescription);
  return withCtLock(world, at, async () => {
    const guest = loadGuest(world.guests, at.node, 'lxc', at.vmid);
    checkLock(guest);
    checkDigest(guest, values.digest);
    for (const key of change.removed) permitKey(at.access, guest, key, undefined);
    for (const [key, value] of Object.entries(change.set)) permitKey(at.access, guest, key, String(value));
    refuseFixed(change);
    refuseWithoutQuorum(world, guest);
    applyConfigChange(world.guests, guest, change, isHotCtKey);
  });
}

/**
 * LXC.pm check_ct_modify_config_perm. Some options only root@pam may touch, and a token of root@pam is not root@pam.
 * A value of undefined stands for a deletion.
 */
function permitKey(access: Access, guest: PveGuest, key: string, value: string | undefined): void {
  const path = `/vms/${guest.vmid}`;
  if (/^(?:cores|cpuunits|cpulimit)$/.test(key)) access.require(path, 'VM.Config.CPU');
  else if (/^(?:memory|swap)$/.test(key)) access.require(path, 'VM.Config.Memory');
  else if (/^(?:net\d+|nameserver|searchdomain|hostname)$/.test(key)) {
    access.require(path, 'VM.Config.Network');
  } else if (/^(?:rootfs|mp\d+)$/.test(key)) {
    access.require(path, 'VM.Config.Disk');
    const type = value === undefined ? 'volume' : mountType(value);
    if (type !== 'volume') throw forbidden(`mount point type ${type} is only allowed for root@pam`);
  } else if (/^dev\d+$/.test(key)) {
    throw forbidden('configuring device passthrough is only allowed for root@pam');
  } else if (key === 'hookscript') {
    throw forbidden('changing the hookscript is only allowed for root@pam');
  } else if (key === 'features') permitFeatures(access, guest, value);
  else access.require(path, 'VM.Config.Options');
}

/** Nesting alone is anybody's, in an unprivileged container. */
function permitFeatures(access: Access, guest: PveGuest, value: string | undefined): void {
  if (guest.config.unprivileged !== 1) {
    throw forbidden('changing feature flags for privileged container is only allowed for root@pam');
  }
  const before = parseFeatures(String(guest.config.features ?? ''));
  const after = parseFeatures(value ?? '');
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => before.get(name) !== after.get(name),
  );
  if (changed.some((name) => name !== 'nesting')) {
    throw forbidden('changing feature flags (except nesting) is only allowed for root@pam');
  }
  if (changed.length > 0) access.require(`/vms/${guest.vmid}`, 'VM.Allocate');
}

function parseFeatures(text: string): ReadonlyMap<string, string> {
  const pairs = text.split(',').filter(Boolean);
  return new Map(
    pairs.map((pair) => {
      const [name = '', value = '1'] = pair.split('=', 2);
      return [name, value];
    }),
  );
}

/** A path is a bind mount, or a device; everything else names a volume. */
function mountType(value: string): 'volume' | 'bind' | 'device' {
  const volume = value.replace(/^volume=/, '').split(',')[0] ?? '';
  if (!volume.startsWith('/')) return 'volume';
  return volume.startsWith('/dev/') ? 'device' : 'bind';
}

function refuseFixed({ set, removed }: ConfigChange): void {
  for (const key of removed) {
    if (/^(?:memory|rootfs|ostype)$/.test(key)) {
      throw new PveFailure(`unable to delete required option '${key}'`);
    }
    if (key === 'unprivileged') throw new PveFailure(`unable to delete read-only option: '${key}'`);
  }
  if (set.unprivileged !== undefined) {
    throw new PveFailure("unable to modify read-only option: 'unprivileged'");
  }
}
