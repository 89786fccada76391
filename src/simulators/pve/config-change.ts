import { createHash } from 'node:crypto';
import { applyPending } from './guest-power.ts';
import type { ParameterValue } from './parameters.ts';
import { PveFailure } from './pve-failure.ts';
import type { GuestConfig, PveGuest, PveGuests } from './pve-guests.ts';

/** What PUT config does alike for VMs and containers: reads the wishes, checks the digest, applies what can be now. */

export type ConfigValues = Readonly<Record<string, ParameterValue | undefined>>;

export interface ConfigChange {
  readonly set: GuestConfig;
  readonly removed: readonly string[];
  readonly reverted: readonly string[];
}

/** Parameters of the call that are no options of the guest. */
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

export function planConfigChange(
  values: ConfigValues,
  showDescription: (text: string) => string,
): ConfigChange {
  const list = (value: ParameterValue | undefined) =>
    String(value ?? '')
      .split(/[,; ]+/)
      .filter(Boolean);
  const set: Record<string, string | number> = {};
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined || NO_OPTION.has(key)) continue;
    set[key] = key === 'description' ? showDescription(String(value)) : normalise(key, value);
  }
  const change = { set, removed: list(values.delete), reverted: list(values.revert) };
  if (Object.keys(set).length + change.removed.length + change.reverted.length === 0) {
    throw new PveFailure('no options specified');
  }
  return change;
}

function normalise(key: string, value: ParameterValue): string | number {
  if (key === 'tags') return normaliseTags(String(value));
  if (typeof value === 'boolean') return Number(value);
  return typeof value === 'number' ? value : String(value);
}

/** Lower case, no doubles, sorted, joined by `;` (GuestHelpers.pm get_unique_tags). */
function normaliseTags(tags: string): string {
  const words = tags
    .toLowerCase()
    .split(/[,; ]+/)
    .filter(Boolean);
  return [...new Set(words)].sort().join(';');
}

export function checkDigest(guest: PveGuest, digest: ParameterValue | undefined): void {
  if (digest !== undefined && digest !== digestOf(guest.config)) {
    throw new PveFailure('checksum mismatch (file change by other user?)');
  }
}

/** A stopped guest takes everything at once; in a running one what is not hot waits for its next cold start. */
export function applyConfigChange(
  guests: PveGuests,
  guest: PveGuest,
  { set, removed, reverted }: ConfigChange,
  isHotKey: (key: string) => boolean,
): void {
  const entries: (readonly [string, string | number | null])[] = [
    ...Object.entries(set),
    ...removed.map((key) => [key, null] as const),
  ];
  const pending = Object.fromEntries(
    Object.entries(guest.pending).filter(([key]) => !reverted.includes(key)),
  );
  const isNow = (key: string) => guest.process === null || isHotKey(key);
  const now = Object.fromEntries(entries.filter(([key]) => isNow(key)));
  const later = Object.fromEntries(entries.filter(([key]) => !isNow(key)));
  guests.change(guest.vmid, {
    config: applyPending({ ...guest, pending: now }),
    pending: { ...pending, ...later },
  });
}

export function digestOf(config: GuestConfig): string {
  return createHash('sha1')
    .update(JSON.stringify(Object.entries(config).sort()))
    .digest('hex');
}
