/**
 * What we read of Proxmox VE's replies, and no more: fields come and go between 8.x and 9.x (facts §8).
 * Numbers arrive as JSON numbers or as strings, booleans as 1 and 0, depending on the field's history.
 */
import { z } from 'zod';

const flag = z.union([z.literal(1), z.literal('1'), z.literal(true)]).transform(() => true as const);
const isSet = z
  .union([flag, z.unknown().transform(() => false as const)])
  .optional()
  .transform((value) => value === true);
const integer = z.coerce.number().int();

/** GET …/qemu/{vmid}/config and …/lxc/{vmid}/config. */
export const guestConfigSchema = z
  .object({
    name: z.string().optional(),
    hostname: z.string().optional(),
    description: z.string().optional(),
    lock: z.string().optional(),
    tags: z.string().optional(),
    template: isSet,
    protection: isSet,
    onboot: isSet,
    ipconfig0: z.string().optional(),
    net0: z.string().optional(),
    cores: z.coerce.number().optional(),
    sockets: z.coerce.number().optional(),
    env: z.string().optional(),
    hookscript: z.string().optional(),
    memory: z.union([z.string(), z.number()]).optional(),
    vmstatestorage: z.string().optional(),
  })
  .catchall(z.unknown())
  .transform(({ name, hostname, ...config }) => ({
    name: name ?? hostname,
    description: config.description,
    lock: config.lock,
    tags: config.tags,
    template: config.template,
    protection: config.protection,
    onboot: config.onboot,
    /** Where a static address may stand: of VMs with cloud-init, of containers. */
    network: config.ipconfig0 ?? config.net0,
    vcpus: config.cores === undefined ? undefined : config.cores * (config.sockets ?? 1),
    memoryMib: memoryMib(config.memory),
    env: config.env,
    hookscript: config.hookscript,
    vmstatestorage: config.vmstatestorage,
    diskStorages: diskStorages(config),
    /** As text, for what is set and compared by name alone: cloud-init. */
    texts: textsOf(config),
  }));
export type GuestConfig = z.infer<typeof guestConfigSchema>;

/** What Proxmox gives a guest whose configuration names none. */
const DEFAULT_MEMORY_MIB = 512;

/** `2048`, or `current=2048,max=4096` on newer versions. */
function memoryMib(memory: string | number | undefined): number {
  return Number(/(\d+)/.exec(String(memory ?? ''))?.[1] ?? DEFAULT_MEMORY_MIB);
}

function textsOf(config: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const plain = Object.entries(config).filter(([, value]) => ['string', 'number'].includes(typeof value));
  return Object.fromEntries(plain.map(([key, value]) => [key, String(value)]));
}

/** `scsi0: local-lvm:vm-105-disk-0,size=8G`: the storages of a VM's disks, in order, each once. */
function diskStorages(config: Readonly<Record<string, unknown>>): readonly string[] {
  const names = Object.entries(config).flatMap(([key, value]) => {
    if (!/^(scsi|virtio|sata|ide)\d+$/.test(key) || typeof value !== 'string') return [];
    return value.includes('media=cdrom') ? [] : (/^([A-Za-z][\w.-]*):/.exec(value)?.[1] ?? []);
  });
  return [...new Set(names)];
}

/** GET /nodes/{node}/storage/{storage}/status; `avail` is missing while the storage is not active. */
export const storageStatusSchema = z.object({
  avail: z.number().optional(),
  shared: isSet,
});
export type StorageStatus = z.infer<typeof storageStatusSchema>;

/** GET …/status/current. Containers have no `qmpstatus`. */
export const guestStatusSchema = z.object({
  status: z.string(),
  qmpstatus: z.string().optional(),
  lock: z.string().optional(),
});
export type GuestStatus = z.infer<typeof guestStatusSchema>;

/** GET /cluster/resources?type=vm: `lock` and `tags` are live, the rest is up to 10 s old (facts §6). */
export const resourceRowsSchema = z.array(
  z.object({
    type: z.string(),
    vmid: integer,
    node: z.string(),
    status: z.string().optional(),
    name: z.string().optional(),
    lock: z.string().optional(),
    tags: z.string().optional(),
    template: isSet,
    /** Bytes; missing while a guest is too young to have been measured. */
    maxmem: z.number().optional(),
    /** Share of its processors, 0 to 1, and bytes since it was booted; missing as `maxmem` is. */
    cpu: z.number().optional(),
    netin: z.number().optional(),
    netout: z.number().optional(),
  }),
);
export type ResourceRow = z.infer<typeof resourceRowsSchema>[number];

/** GET /nodes: `maxmem`, in bytes, only with Sys.Audit on the node (facts §6). */
export const nodeRowsSchema = z.array(
  z.object({ node: z.string(), status: z.string().optional(), maxmem: z.number().optional() }),
);
export type NodeRow = z.infer<typeof nodeRowsSchema>[number];

/** GET /cluster/resources?type=storage, in bytes. */
export const storageRowsSchema = z.array(
  z.object({
    node: z.string(),
    storage: z.string(),
    maxdisk: z.number().optional(),
    disk: z.number().optional(),
  }),
);

/** GET …/lxc/{vmid}/interfaces; a container that is off has none. */
export const ctInterfacesSchema = z
  .array(
    z.object({
      name: z.string(),
      inet: z.string().optional(),
    }),
  )
  .nullable();

/** A UPID, as creating and changing requests answer it. */
export const upidSchema = z.string().startsWith('UPID:');

export const taskStatusSchema = z.object({
  status: z.string(),
  exitstatus: z.string().optional(),
});

/** GET /nodes/{node}/tasks. */
export const taskRowsSchema = z.array(
  z.object({
    upid: z.string(),
    type: z.string(),
    id: z.string().nullish(),
    starttime: integer.optional(),
    endtime: integer.optional(),
    status: z.string().optional(),
  }),
);
export type TaskRow = z.infer<typeof taskRowsSchema>[number];

export const taskLogSchema = z.array(z.object({ t: z.string() }));

export const versionSchema = z.object({ version: z.string() });

/** GET …/agent/get-time: nanoseconds since 1970. */
export const agentTimeSchema = z.object({ result: z.number() });

export const agentExecSchema = z.object({ pid: integer });

export const agentExecStatusSchema = z.object({ exited: isSet });

/** GET …/agent/network-get-interfaces; a failure inside the guest is a 200 without a list (facts §4). */
export const agentInterfacesSchema = z.object({
  result: z.union([
    z.array(
      z.object({
        name: z.string().optional(),
        'ip-addresses': z
          .array(z.object({ 'ip-address': z.string(), 'ip-address-type': z.string() }))
          .optional(),
      }),
    ),
    z.object({ error: z.unknown() }).transform(() => undefined),
  ]),
});
