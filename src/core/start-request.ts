import type { ProviderName } from './provider-name.ts';

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
