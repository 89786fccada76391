import type { SimulatedSnapshot } from './morph-options.ts';
import type { MorphInstance } from './morph-store.ts';

const IMAGE_ID = 'morphvm-minimal';

/** Times are Unix seconds; memory and disk are MB. */
export function instanceView(instance: MorphInstance, serviceUrl: (id: string, port: number) => string) {
  return {
    id: instance.id,
    object: 'instance',
    created: Math.floor(instance.createdAtMs / 1000),
    status: instance.status,
    spec: { vcpus: instance.vcpus, memory: instance.memoryMib, disk_size: instance.diskMib },
    refs: { snapshot_id: instance.snapshotId, image_id: IMAGE_ID },
    networking: {
      internal_ip: instance.internalIp,
      http_services: instance.services.map(({ name, port, authMode }) => ({
        name,
        port,
        url: serviceUrl(instance.id, port),
        auth_mode: authMode,
      })),
    },
    metadata: instance.metadata,
    ttl: {
      ttl_seconds: instance.ttl.seconds,
      ttl_expire_at: instance.ttl.expireAtMs === null ? null : Math.floor(instance.ttl.expireAtMs / 1000),
      ttl_action: instance.ttl.action,
    },
    wake_on: { wake_on_ssh: instance.wakeOn.ssh, wake_on_http: instance.wakeOn.http },
  };
}

export function snapshotView(snapshot: SimulatedSnapshot, createdAtMs: number) {
  return {
    id: snapshot.id,
    object: 'snapshot',
    created: Math.floor(createdAtMs / 1000),
    status: 'ready',
    spec: { vcpus: snapshot.vcpus, memory: snapshot.memoryMib, disk_size: snapshot.diskMib },
    refs: { image_id: IMAGE_ID },
    digest: null,
    metadata: snapshot.metadata ?? {},
  };
}

/** Live figures against the ceilings of Morph's Team plan (facts/morph-and-cmux.md A6). */
export function quotaView(instances: readonly MorphInstance[]) {
  const running = instances.filter(({ status }) => status !== 'paused');
  const sum = (pick: (instance: MorphInstance) => number, of: readonly MorphInstance[]) =>
    of.reduce((total, instance) => total + pick(instance), 0);
  const quota = (quota_code: string, limit_value: number, used_value: number) => ({
    quota_code,
    limit_value,
    used_value,
  });
  return {
    services: [
      {
        service_id: 'instances',
        service_name: 'Instances',
        quotas: [
          quota(
            'vcpus',
            256,
            sum(({ vcpus }) => vcpus, running),
          ),
          quota(
            'memory_mb',
            1024 * 1024,
            sum(({ memoryMib }) => memoryMib, running),
          ),
          quota(
            'disk_mb',
            4096 * 1024,
            sum(({ diskMib }) => diskMib, instances),
          ),
        ],
      },
    ],
  };
}
