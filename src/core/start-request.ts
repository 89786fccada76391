import type { GuestSize } from './guest.ts';
import { CAN_KEEP_MEMORY, PROVIDER_NAMES, type ProviderName } from './provider-name.ts';

export const WORKLOAD_TYPES = ['dev', 'prod', 'ephemeral', 'quick-task', 'long-running'] as const;
export type WorkloadType = (typeof WORKLOAD_TYPES)[number];

/** One thing to clone from on Proxmox. The name is checked before use: template VMIDs get reused. */
export interface PveTemplateSource {
  readonly vmid: number;
  readonly expectedName: string;
}

/** Per provider, what to start from. A provider without a source leaves the route. */
export interface Sources {
  readonly 'pve-vm'?: { readonly templates: readonly PveTemplateSource[] };
  readonly 'pve-lxc'?: { readonly templates: readonly PveTemplateSource[] };
  readonly morph?: { readonly snapshotId: string };
}

/** A named size with its sources. */
export interface Preset {
  readonly name: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskGib: number;
  readonly sources: Sources;
}

/** What a caller asks for, validated and with defaults filled in. */
export interface StartRequest {
  readonly preset?: string;
  readonly sources?: Sources;
  /** Its preset's, filled in when the start is submitted. */
  readonly size?: GuestSize;
  readonly workloadType?: WorkloadType;
  readonly requiresRamSnapshot: boolean;
  readonly preferredProvider?: ProviderName;
  readonly allowFallback: boolean;
  readonly teamId?: string;
  readonly userId?: string;
  readonly taskRunId?: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly ttlSeconds?: number;
  readonly onExpiry: 'pause' | 'destroy';
  readonly idleTimeoutSeconds?: number;
  readonly protected: boolean;
}

/** What a caller passes to `start`: a preset or sources; everything else may be left out. */
export interface StartInput {
  /** A named size with its sources, as the operator configured it. Either this or `sources`. */
  readonly preset?: string;
  readonly sources?: {
    readonly 'pve-vm'?: { readonly templates: readonly PveTemplateSource[] };
    readonly 'pve-lxc'?: { readonly templates: readonly PveTemplateSource[] };
    readonly morph?: { readonly snapshotId: string };
  };
  readonly workloadType?: WorkloadType;
  /** Only providers that keep memory while paused. Default false. */
  readonly requiresRamSnapshot?: boolean | undefined;
  /** `pve-vm`, `pve-lxc`, `morph` or one of their aliases. A preference, unless `allowFallback` is false. */
  readonly preferredProvider?: string;
  /** Default true. */
  readonly allowFallback?: boolean | undefined;
  readonly teamId?: string;
  readonly userId?: string;
  readonly taskRunId?: string;
  /** Passed through to providers that keep any. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly ttlSeconds?: number;
  /** Default `pause`. */
  readonly onExpiry?: 'pause' | 'destroy' | undefined;
  readonly idleTimeoutSeconds?: number;
  /** Protected sandboxes are left alone by everything automatic. Default false. */
  readonly protected?: boolean | undefined;
}

/** A contradiction in a request that is well-formed; `undefined` when there is none. */
export function contradictionIn(request: StartRequest): string | undefined {
  const { requiresRamSnapshot, preferredProvider, sources } = request;
  if (!requiresRamSnapshot) return undefined;
  if (preferredProvider !== undefined && !CAN_KEEP_MEMORY[preferredProvider]) {
    return `preferredProvider: ${preferredProvider} can never keep memory, and requiresRamSnapshot is true`;
  }
  const given = PROVIDER_NAMES.filter((provider) => sources?.[provider] !== undefined);
  if (given.length > 0 && !given.some((provider) => CAN_KEEP_MEMORY[provider])) {
    return `sources: ${given.join(', ')} can never keep memory, and requiresRamSnapshot is true`;
  }
  return undefined;
}
