import type { Access } from './access.ts';
import { NODE_PARAMETERS, type PveRoute, route } from './pve-routes.ts';
import type { PveWorld } from './pve-world.ts';

const ROOT_FS_BYTES = 100 * 1024 ** 3;

export function createNodeRoutes(world: PveWorld): readonly PveRoute[] {
  return [
    route({
      method: 'GET',
      path: '/nodes',
      parameters: {},
      handle: ({ access }) => ({ data: world.nodes.map((node) => nodeRow(world, node, access)) }),
    }),
    route({
      method: 'GET',
      path: '/nodes/{node}/status',
      parameters: NODE_PARAMETERS,
      permit: (access, raw) => access.require(`/nodes/${String(raw.node)}`, 'Sys.Audit'),
      handle: ({ node }) => ({ data: nodeStatus(world, node) }),
    }),
    route({
      method: 'GET',
      path: '/nodes/{node}/storage',
      parameters: {
        ...NODE_PARAMETERS,
        storage: { type: 'string', format: 'pve-storage-id', optional: true },
        content: { type: 'string', optional: true },
        enabled: { type: 'boolean', optional: true },
        format: { type: 'boolean', optional: true },
        target: { type: 'string', format: 'pve-node', optional: true },
      },
      handle: ({ params, node, access }) => {
        const wanted = params.content?.split(',');
        const rows = storageRows(world, node).filter(
          (row) =>
            (params.storage === undefined || row.storage === params.storage) &&
            (wanted === undefined || row.content.split(',').some((kind) => wanted.includes(kind))) &&
            ['Datastore.Audit', 'Datastore.AllocateSpace'].some((p) =>
              access.has(`/storage/${row.storage}`, p),
            ),
        );
        return { data: rows.map((row) => ({ ...row, used_fraction: row.used / row.total })) };
      },
    }),
    route({
      method: 'GET',
      path: '/nodes/{node}/storage/{storage}/status',
      parameters: { ...NODE_PARAMETERS, storage: { type: 'string', format: 'pve-storage-id' } },
      permit: (access, raw) =>
        access.requireAny(`/storage/${String(raw.storage)}`, 'Datastore.Audit', 'Datastore.AllocateSpace'),
      handle: ({ params, node }) => ({ data: world.storages.describe(node, params.storage) }),
    }),
  ];
}

export function storageRows(world: PveWorld, node: string) {
  return world.storages.names.map((storage) => ({ storage, ...world.storages.describe(node, storage) }));
}

/** Load figures are shown only of nodes that are up, and to those with Sys.Audit on them. */
export function nodeRow(world: PveWorld, node: string, access: Access) {
  const isOnline = world.cluster.isOnline(node);
  const status = isOnline ? 'online' : 'offline';
  const row = { id: `node/${node}`, node, type: 'node', status, level: '' };
  if (!isOnline || !access.has(`/nodes/${node}`, 'Sys.Audit')) return row;
  const memory = world.hostMemory.describe(node);
  return {
    ...row,
    cpu: 0.05,
    maxcpu: world.nodeCores,
    mem: memory.used,
    maxmem: memory.total,
    disk: ROOT_FS_BYTES * 0.2,
    maxdisk: ROOT_FS_BYTES,
    uptime: uptimeSeconds(world),
  };
}

function nodeStatus(world: PveWorld, node: string) {
  const used = ROOT_FS_BYTES * 0.2;
  return {
    uptime: uptimeSeconds(world),
    loadavg: ['0.25', '0.20', '0.15'],
    cpu: 0.05,
    wait: 0,
    idle: 0,
    cpuinfo: {
      cores: world.nodeCores,
      cpus: world.nodeCores,
      sockets: 1,
      model: 'Simulated CPU',
      mhz: '3000.000',
      hvm: '1',
      flags: '',
      user_hz: 100,
    },
    memory: world.hostMemory.describe(node),
    swap: { total: 0, used: 0, free: 0 },
    rootfs: { total: ROOT_FS_BYTES, used, free: ROOT_FS_BYTES - used, avail: ROOT_FS_BYTES - used },
    ksm: { shared: 0 },
    kversion: 'Linux 6.14.0-simulated',
    'current-kernel': { sysname: 'Linux', release: '6.14.0-simulated', version: '#1', machine: 'x86_64' },
    'boot-info': { mode: 'efi', secureboot: 0 },
    pveversion: `pve-manager/${world.version.text}/simulated`,
  };
}

function uptimeSeconds(world: PveWorld): number {
  return Math.floor((world.nowMs() - world.bootedAtMs) / 1000);
}
