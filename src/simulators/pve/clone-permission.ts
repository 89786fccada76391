import { type Access, forbidden } from './access.ts';
import { PveFailure } from './pve-failure.ts';

/** Who may clone where, VMs and containers alike (checked before any parameter is). */
export function permitClone(
  access: Access,
  raw: Readonly<Record<string, unknown>>,
  pools: readonly string[],
): void {
  access.require(`/vms/${String(raw.vmid)}`, 'VM.Clone');
  const { pool } = raw;
  if (pool !== undefined && !pools.includes(String(pool)))
    throw forbidden(`pool '${String(pool)}' does not exist`);
  if (access.has(`/vms/${String(raw.newid)}`, 'VM.Allocate')) return;
  if (pool !== undefined && access.has(`/pool/${String(pool)}`, 'VM.Allocate')) return;
  throw new PveFailure('Permission check failed', { status: 403 });
}
