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
    ipconfig0: config.ipconfig0,
    memory: config.memory,
    vmstatestorage: config.vmstatestorage,
    diskStorages: diskStorages(config),
  }));
export type GuestConfig = z.infer<typeof guestConfigSchema>;

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
  }),
);
export type ResourceRow = z.infer<typeof resourceRowsSchema>[number];

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
