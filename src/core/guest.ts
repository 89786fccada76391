import type { Marker } from './marker.ts';
import type { BilledSize } from './price-book.ts';
import type { ProviderName } from './provider-name.ts';

/**
 * `creating`: recorded before it was asked for. `live`: a sandbox points to it. `condemned`: to be
 * destroyed on sight of its own marker. `stuck`: a lock that only a person can free. `unowned`: ours, but
 * no record answers for it. `gone`: proved absent.
 */
export type GuestState = 'creating' | 'live' | 'condemned' | 'stuck' | 'unowned' | 'gone';

/** What the provider says of a guest, in our words. */
export type GuestCondition =
  | 'creating'
  | 'running'
  | 'pausing'
  | 'paused'
  | 'stopped'
  | 'stuck'
  | 'gone'
  | 'unknown';

export interface Endpoint {
  /** `vscode`, `worker`, `proxy`, `vnc`, `cdp`, … */
  readonly name: string;
  readonly port: number;
  readonly url: string;
}

/** What a preset promises; a source may have been made larger or smaller. */
export interface GuestSize {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskGib?: number;
}

/**
 * What a driver means to create, decided and recorded before anything is sent, so that whoever carries on
 * after a crash knows exactly what to look for. Plain JSON; `source` and `place` are the driver's own.
 */
export interface GuestIntent {
  readonly provider: ProviderName;
  readonly guestId: string;
  readonly failureDomain: string;
  /** What it is made from: a Morph snapshot id, a PVE template VMID as text. */
  readonly source: string;
  /** Where it is to be, as far as that is decided beforehand: node and VMID on Proxmox. */
  readonly node?: string;
  readonly vmid?: number;
  /** What it is to have; absent: what its source has. */
  readonly size?: GuestSize;
  /** What is reserved on `node` while it runs, where capacity is ours to watch. */
  readonly memoryMib?: number;
  readonly marker: Marker;
  /** The caller's own metadata, for providers that keep any. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The address of an existing guest at its provider. */
export interface GuestRef {
  readonly provider: ProviderName;
  readonly guestId: string;
  /** The VMID as text on Proxmox, the instance id on Morph. */
  readonly nativeId: string;
  readonly node?: string;
}

export interface Guest {
  readonly id: string;
  readonly sandboxId: string;
  readonly state: GuestState;
  readonly provider: ProviderName;
  readonly intent: GuestIntent;
  /** Known once the guest was seen. */
  readonly ref?: GuestRef;
  /** When the one create request was let go, by the clock of the worker that sent it. */
  readonly sentAtMs?: number;
  /** The provider's handle for the creation under way (a UPID on Proxmox). */
  readonly creationTask?: string;
  /** What it is billed by, as far as the provider said; else the intent's size. */
  readonly billedSize?: BilledSize;
  /** The provider that its start was meant for, where that is another one: it is here because of a fallback. */
  readonly meantFor?: ProviderName;
  readonly createdByOperation: string;
  readonly condemnedAtMs?: number;
  readonly cause?: string;
  /** Its own secrets by name, sealed under the operator's key. */
  readonly sealedSecrets?: Readonly<Record<string, string>>;
}
