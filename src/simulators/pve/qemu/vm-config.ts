import { createHash } from 'node:crypto';
import { forget } from '../../guest-memory.ts';
import type { Access } from '../access.ts';
import type { ParameterValue } from '../parameters.ts';
import { PveFailure } from '../pve-failure.ts';
import { checkLock, type GuestConfig, loadGuest, lockOf, type PveGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';
import { HOT_KEYS, privilegesFor } from './vm-config-parameters.ts';
import { withVmLock } from './vm-locks.ts';
import { applyPending } from './vm-process.ts';

type Values = Readonly<Record<string, ParameterValue | undefined>>;

const NO_OPTION = new Set([
  'node',
  'vmid',
  'digest',
  'force',
  'skiplock',
  'delete',
  'revert',
  'background_delay',
  'import-working-storage',
]);

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
  values: Values,
): Promise<void> {
  const change = planChange(values);
  for (const key of [...Object.keys(change.set), ...change.removed]) {
    if (key === 'lock') throw new PveFailure("only root can set 'lock' config");
    at.access.requireAny(`/vms/${at.vmid}`, ...privilegesFor(key));
  }
  return withVmLock(world, at, async () => {
    const guest = loadGuest(world.guests, at.node, 'qemu', at.vmid);
    if (values.digest !== undefined && values.digest !== digestOf(guest.config)) {
      throw new PveFailure('checksum mismatch (file change by other user?)');
    }
    if (lockOf(guest) === 'suspended' && change.removed.includes('vmstate')) {
      world.guests.configure(at.vmid, DISCARDED_IMAGE);
      world.guests.change(at.vmid, { memory: forget(guest.memory) });
      return;
    }
    checkLock(guest);
    apply(world, guest, change);
  });
}

const DISCARDED_IMAGE = {
  lock: undefined,
  vmstate: undefined,
  runningmachine: undefined,
  runningcpu: undefined,
};

interface ConfigChange {
  readonly set: GuestConfig;
  readonly removed: readonly string[];
  readonly reverted: readonly string[];
}

function planChange(values: Values): ConfigChange {
  const list = (value: ParameterValue | undefined) =>
    String(value ?? '')
      .split(/[,; ]+/)
      .filter(Boolean);
  const set: Record<string, string | number> = {};
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined && !NO_OPTION.has(key)) set[key] = normalise(key, value);
  }
  const change = { set, removed: list(values.delete), reverted: list(values.revert) };
  if (Object.keys(set).length + change.removed.length + change.reverted.length === 0) {
    throw new PveFailure('no options specified');
  }
  return change;
}

function normalise(key: string, value: ParameterValue): string | number {
  if (key === 'tags') return normaliseTags(String(value));
  // Descriptions are stored as comment lines above the keys and come back trimmed.
  if (key === 'description') return String(value).trim();
  if (typeof value === 'boolean') return Number(value);
  return typeof value === 'number' ? value : String(value);
}

/** Lower case, no doubles, sorted, joined by `;` (GuestHelpers.pm get_unique_tags). */
export function normaliseTags(tags: string): string {
  const words = tags
    .toLowerCase()
    .split(/[,; ]+/)
    .filter(Boolean);
  return [...new Set(words)].sort().join(';');
}

function apply(world: PveWorld, guest: PveGuest, { set, removed, reverted }: ConfigChange): void {
  const entries: (readonly [string, string | number | null])[] = [
    ...Object.entries(set),
    ...removed.map((key) => [key, null] as const),
  ];
  const pending = Object.fromEntries(
    Object.entries(guest.pending).filter(([key]) => !reverted.includes(key)),
  );
  const isHot = (key: string) => guest.process === null || HOT_KEYS.has(key);
  const now = Object.fromEntries(entries.filter(([key]) => isHot(key)));
  const later = Object.fromEntries(entries.filter(([key]) => !isHot(key)));
  world.guests.change(guest.vmid, {
    config: applyPending({ ...guest, pending: now }),
    pending: { ...pending, ...later },
  });
}

function digestOf(config: GuestConfig): string {
  return createHash('sha1')
    .update(JSON.stringify(Object.entries(config).sort()))
    .digest('hex');
}
