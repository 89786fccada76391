import { createHash } from 'node:crypto';
import { forbidden } from './access.ts';
import { createGuestStats, type GuestStats } from './guest-stats.ts';
import { nodeRow, storageRows } from './node-routes.ts';
import { badParameters, PveFailure } from './pve-failure.ts';
import { lockOf, type PveGuest } from './pve-guests.ts';
import { type PveRoute, route } from './pve-routes.ts';
import type { PveWorld } from './pve-world.ts';

const LOWEST_VMID = 100;
const VMID_LIMIT = 1_000_000;

/** Endpoints pveproxy answers itself, from what the whole cluster shares. */
export function createClusterRoutes(world: PveWorld): readonly PveRoute[] {
  const statsOf = createGuestStats(world);
  return [
    route({
      method: 'GET',
      path: '/version',
      parameters: {},
      handle: () => ({
        data: {
          version: world.version.text,
          release: world.version.text.split('.').slice(0, 2).join('.'),
          repoid: createHash('sha1').update(world.version.text).digest('hex').slice(0, 16),
        },
      }),
    }),
    route({
      method: 'GET',
      path: '/access/permissions',
      parameters: { path: { type: 'string', optional: true }, userid: { type: 'string', optional: true } },
      handle: ({ params, access }) => ({ data: access.list(params.path) }),
    }),
    route({
      method: 'GET',
      path: '/cluster/nextid',
      parameters: {
        vmid: { type: 'integer', format: 'pve-vmid', min: 100, max: 999_999_999, optional: true },
      },
      // The wire value is a string, whatever the schema says.
      handle: ({ params }) => ({ data: String(nextId(world, params.vmid)) }),
    }),
    route({
      method: 'GET',
      path: '/cluster/resources',
      parameters: { type: { type: 'string', enum: ['vm', 'storage', 'node', 'sdn'], optional: true } },
      handle: ({ params, access }) => {
        const wants = (type: string) => params.type === undefined || params.type === type;
        const guests = world.guests.all().filter(({ vmid }) => access.has(`/vms/${vmid}`, 'VM.Audit'));
        return {
          data: [
            ...(wants('vm') ? guests.map((guest) => resourceRow(guest, statsOf(guest))) : []),
            ...(wants('node') ? world.nodes.map((node) => nodeRow(world, node, access)) : []),
            ...(wants('storage') ? world.nodes.flatMap((node) => storageResourceRows(world, node)) : []),
          ],
        };
      },
    }),
    route({
      method: 'GET',
      path: '/cluster/status',
      parameters: {},
      permit: (access) => access.require('/', 'Sys.Audit'),
      handle: () => ({ data: clusterStatus(world) }),
    }),
    route({
      method: 'GET',
      path: '/pools',
      parameters: {
        poolid: { type: 'string', format: 'pve-poolid', optional: true },
        type: { type: 'string', enum: ['qemu', 'lxc', 'storage'], requires: 'poolid', optional: true },
      },
      handle: ({ params, access }) => {
        const { poolid } = params;
        if (poolid === undefined) {
          const visible = world.pools.filter((pool) => access.has(`/pool/${pool}`, 'Pool.Audit'));
          return { data: visible.map((pool) => ({ poolid: pool })) };
        }
        if (!world.pools.includes(poolid)) throw new PveFailure(`pool '${poolid}' does not exist`);
        if (!access.has(`/pool/${poolid}`, 'Pool.Audit')) throw forbidden(`/pool/${poolid}, Pool.Audit`);
        const members = world.guests.all().filter((guest) => guest.pool === poolid);
        return { data: [{ poolid, members: members.map((guest) => resourceRow(guest, statsOf(guest))) }] };
      },
    }),
  ];
}

/** Reserves nothing: two callers in a row are told the same id. */
function nextId(world: PveWorld, wanted: number | undefined): number {
  const taken = new Set(world.guests.all().map((guest) => guest.vmid));
  if (wanted !== undefined) {
    if (taken.has(wanted)) throw badParameters({ vmid: `VM ${wanted} already exists` });
    return wanted;
  }
  for (let vmid = LOWEST_VMID; vmid < VMID_LIMIT; vmid += 1) {
    if (!taken.has(vmid)) return vmid;
  }
  throw new PveFailure(`unable to get any free VMID in range [${LOWEST_VMID}, ${VMID_LIMIT}]`);
}

/** Node, lock and tags are live; the rest is as old as the stats. */
function resourceRow(guest: PveGuest, stats: GuestStats | undefined) {
  const lock = lockOf(guest);
  const { tags } = guest.config;
  return {
    id: `${guest.kind}/${guest.vmid}`,
    type: guest.kind,
    vmid: guest.vmid,
    node: guest.node,
    ...(stats ?? { status: 'unknown' }),
    ...(guest.pool === null ? {} : { pool: guest.pool }),
    ...(lock === undefined ? {} : { lock }),
    ...(tags === undefined ? {} : { tags }),
    ...(guest.ha === undefined ? {} : { hastate: guest.ha }),
  };
}

function storageResourceRows(world: PveWorld, node: string) {
  return storageRows(world, node).map(({ storage, type, content, shared, total, used }) => ({
    id: `storage/${node}/${storage}`,
    type: 'storage',
    node,
    storage,
    plugintype: type,
    content,
    shared,
    status: world.cluster.isOnline(node) ? 'available' : 'unknown',
    maxdisk: total,
    disk: used,
  }));
}

function clusterStatus(world: PveWorld) {
  const nodes = world.nodes.map((name, index) => ({
    id: `node/${name}`,
    type: 'node',
    name,
    nodeid: index + 1,
    ip: '127.0.0.1',
    local: index === 0 ? 1 : 0,
    online: Number(world.cluster.isOnline(name)),
    level: '',
  }));
  if (nodes.length === 1) return nodes;
  const quorate = Number(world.cluster.isQuorate());
  return [
    { id: 'cluster', type: 'cluster', name: 'simulated', version: 1, nodes: nodes.length, quorate },
    ...nodes,
  ];
}
