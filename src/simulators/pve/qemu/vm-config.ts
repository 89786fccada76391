import { forget } from '../../guest-memory.ts';
import type { Access } from '../access.ts';
import { refuseWithoutQuorum } from '../cluster.ts';
import {
  applyConfigChange,
  type ConfigValues,
  checkDigest,
  digestOf,
  planConfigChange,
} from '../config-change.ts';
import { applyPending } from '../guest-power.ts';
import { PveFailure } from '../pve-failure.ts';
import { checkLock, loadGuest, lockOf, type PveGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';
import { HOT_KEYS, privilegesFor } from './vm-config-parameters.ts';
import { withVmLock } from './vm-locks.ts';

/** GET config: what the next cold start will use, unless `current` is asked for. */
export function readVmConfig(guest: PveGuest, options: { readonly current: boolean }) {
  const config = options.current ? guest.config : applyPending(guest);
  const shown = 'cipassword' in config ? { ...config, cipassword: '**********' } : config;
  return { ...shown, digest: digestOf(guest.config) };
}

/**
 * PUT config, under the file lock. A locked VM cannot be changed, a hibernated one included; the one exception is
 * `delete=vmstate`, which gives up the memory image and with it the lock. No token may touch `lock` itself.
 */
export function updateVmConfig(
  world: PveWorld,
  at: {
    readonly node: string;
    readonly vmid: number;
    readonly access: Access;
    readonly signal?: AbortSignal;
  },
  values: ConfigValues,
): Promise<void> {
  // Descriptions are stored as comment lines above the keys and come back trimmed.
  const change = planConfigChange(values, (text) => text.trim());
  for (const key of [...Object.keys(change.set), ...change.removed]) {
    if (key === 'lock') throw new PveFailure("only root can set 'lock' config");
    at.access.requireAny(`/vms/${at.vmid}`, ...privilegesFor(key));
  }
  return withVmLock(world, at, async () => {
    const guest = loadGuest(world.guests, at.node, 'qemu', at.vmid);
    checkDigest(guest, values.digest);
    if (lockOf(guest) === 'suspended' && change.removed.includes('vmstate')) {
      refuseWithoutQuorum(world, guest);
      world.guests.configure(at.vmid, DISCARDED_IMAGE);
      world.guests.change(at.vmid, { memory: forget(guest.memory) });
      return;
    }
    checkLock(guest);
    refuseWithoutQuorum(world, guest);
    applyConfigChange(world.guests, guest, change, (key) => HOT_KEYS.has(key));
  });
}

const DISCARDED_IMAGE = {
  lock: undefined,
  vmstate: undefined,
  runningmachine: undefined,
  runningcpu: undefined,
};
