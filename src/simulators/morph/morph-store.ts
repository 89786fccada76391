import type { GuestMemory } from '../guest-memory.ts';
import { notFound } from './morph-failure.ts';

export type TtlAction = 'stop' | 'pause';

export interface MorphInstance {
  readonly id: string;
  readonly createdAtMs: number;
  readonly status: 'pending' | 'ready' | 'saving' | 'paused' | 'error';
  readonly snapshotId: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskMib: number;
  readonly internalIp: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly ttl: {
    readonly seconds: number | null;
    readonly expireAtMs: number | null;
    readonly action: TtlAction | null;
  };
  readonly wakeOn: { readonly ssh: boolean; readonly http: boolean };
  readonly services: readonly MorphService[];
  readonly memory: GuestMemory;
}

export interface MorphService {
  readonly name: string;
  readonly port: number;
  readonly authMode: 'none' | 'api_key';
}

/** The instances of one account. A deleted one is simply gone: there is no status for it. */
export interface MorphStore {
  readonly all: () => readonly MorphInstance[];
  readonly find: (id: string) => MorphInstance | undefined;
  /** Throws 404. */
  readonly get: (id: string) => MorphInstance;
  readonly put: (instance: MorphInstance) => MorphInstance;
  /** Throws 404. */
  readonly change: (id: string, patch: Partial<MorphInstance>) => MorphInstance;
  /** Throws 404. */
  readonly remove: (id: string) => void;
}

export function createMorphStore(restored: readonly MorphInstance[], onChange: () => void): MorphStore {
  const instances = new Map(restored.map((instance) => [instance.id, instance]));
  const get = (id: string): MorphInstance => {
    const instance = instances.get(id);
    if (instance === undefined) throw notFound('Instance', id);
    return instance;
  };
  const put = (instance: MorphInstance): MorphInstance => {
    instances.set(instance.id, instance);
    onChange();
    return instance;
  };
  return {
    all: () => [...instances.values()],
    find: (id) => instances.get(id),
    get,
    put,
    change: (id, patch) => put({ ...get(id), ...patch }),
    remove: (id) => {
      get(id);
      instances.delete(id);
      onChange();
    },
  };
}
