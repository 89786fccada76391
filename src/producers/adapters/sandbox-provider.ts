/**
 * The roadmap's `SandboxProvider` over the life-cycle service, one per provider or one for all of them. What it
 * calls stop, pause and status is defined here, since every provider means something else by it.
 */
import type { LifecycleClient } from '../../core/client.ts';
import { LifecycleError } from '../../core/lifecycle-error.ts';
import { CAN_KEEP_MEMORY, normaliseProviderName, type ProviderName } from '../../core/provider-name.ts';
import type { SandboxState } from '../../core/sandbox.ts';
import type { StartInput } from '../../core/start-request.ts';
import type { SandboxView } from '../../core/views.ts';

/** The roadmap's three fields, and what a start of ours takes besides. */
export type SandboxConfig = Omit<StartInput, 'preset' | 'sources'> & {
  readonly preset: string;
  /** Twice the same is one sandbox. */
  readonly idempotencyKey?: string;
};

/** `stopped` is paused without memory: its disk is there, its processes are not. */
export type SandboxStatus =
  | 'provisioning'
  | 'running'
  | 'pausing'
  | 'paused'
  | 'stopped'
  | 'resuming'
  | 'deleting'
  | 'deleted'
  | 'error';

export interface SandboxInstance {
  /** Ours; the service takes the provider's own as well. */
  readonly id: string;
  readonly status: SandboxStatus;
  /** Where it really is, which may not be where it was asked for. */
  readonly provider?: ProviderName;
  readonly fellBackFrom: readonly ProviderName[];
  readonly supportsRamSnapshot: boolean;
  /** URL by name. */
  readonly endpoints: Readonly<Record<string, string>>;
}

export interface SandboxProvider {
  /** A provider's canonical name, or `auto`. */
  readonly name: string;
  /**
   * Whether `pauseInstance` keeps memory. `auto` says true and means it: where a sandbox cannot keep memory,
   * its pause is refused. What holds for one sandbox is in `SandboxInstance.supportsRamSnapshot`.
   */
  readonly supportsRamSnapshot: boolean;
  /** Service: `start`. Resolves once it is usable. */
  startInstance(config: SandboxConfig): Promise<SandboxInstance>;
  /** Service: `destroy`. To keep the disk or the memory there is `pauseInstance`. Twice is fine. */
  stopInstance(id: string): Promise<void>;
  /** Service: `pause` with memory. @throws `ram_snapshot_unsupported`, and nothing has changed */
  pauseInstance(id: string): Promise<void>;
  /** Service: `resume`. @throws `memory_lost` when promised memory is gone: it never boots from disk instead */
  resumeInstance(id: string): Promise<void>;
  /** Service: `get`. Asks no provider and wakes nothing. @throws `not_found` */
  getInstanceStatus(id: string): Promise<SandboxStatus>;
  /** Service: `list`, all pages, without ended ones. */
  listInstances(): Promise<readonly SandboxInstance[]>;
  /** Service: `providers`. False also when no worker was heard of for a minute. */
  healthCheck(): Promise<boolean>;
}

/** Pages of a list that one call reads: ten thousand sandboxes. */
const MAX_PAGES = 50;
const PAGE_SIZE = 200;
/** Workers publish every 15 s; four times missed means that none is there. */
const STALE_AFTER_MS = 60_000;

const STATUS = {
  requested: 'provisioning',
  starting: 'provisioning',
  running: 'running',
  pausing: 'pausing',
  paused: 'paused',
  resuming: 'resuming',
  destroying: 'deleting',
  destroyed: 'deleted',
  failed: 'error',
  lost: 'error',
  stuck: 'error',
} as const satisfies Record<SandboxState, SandboxStatus>;

export type ProviderClient = Pick<
  LifecycleClient,
  'start' | 'pause' | 'resume' | 'destroy' | 'get' | 'list' | 'providers'
>;

/**
 * As in the roadmap, a preferred provider gives that one and no other: its starts do not fall back, and sandboxes
 * elsewhere are not found. Without one: `auto`, where the service decides. (`SANDBOX_PROVIDER` and its kin are
 * read by the service.)
 * @throws `LifecycleError` `invalid_request` for a name nobody knows
 */
export function getSandboxProvider(
  client: ProviderClient,
  { preferredProvider: wanted }: { readonly preferredProvider?: string } = {},
): SandboxProvider {
  if (wanted === undefined) return createProvider(client, undefined);
  const provider = normaliseProviderName(wanted);
  if (provider !== undefined) return createProvider(client, provider);
  throw new LifecycleError({
    code: 'invalid_request',
    message: `preferredProvider: unknown provider "${wanted}": use pve-vm, pve-lxc or morph`,
    retryable: false,
  });
}

function createProvider(client: ProviderClient, only: ProviderName | undefined): SandboxProvider {
  /** Ours or the provider's id → the sandbox; a provider answers for its own only. */
  async function find(id: string): Promise<SandboxView> {
    const sandbox = await client.get(id);
    if (only === undefined || sandbox.provider === only) return sandbox;
    throw new LifecycleError({
      code: 'not_found',
      message: `there is no sandbox ${id} on ${only}`,
      retryable: false,
      sandboxId: sandbox.id,
    });
  }

  return {
    name: only ?? 'auto',
    supportsRamSnapshot: only === undefined || CAN_KEEP_MEMORY[only],
    async startInstance({ idempotencyKey, ...config }) {
      const pinned = only === undefined ? {} : { preferredProvider: only, allowFallback: false };
      const options = idempotencyKey === undefined ? {} : { idempotencyKey };
      return toInstance(await client.start({ ...config, ...pinned }, options));
    },
    async stopInstance(id) {
      await client.destroy((await find(id)).id);
    },
    async pauseInstance(id) {
      await client.pause((await find(id)).id);
    },
    async resumeInstance(id) {
      await client.resume((await find(id)).id);
    },
    getInstanceStatus: async (id) => statusOf(await find(id)),
    async listInstances() {
      const sandboxes = await listAll(client, only === undefined ? {} : { provider: only });
      return sandboxes.map(toInstance);
    },
    async healthCheck() {
      const known = await client.providers();
      return known
        .filter(({ provider }) => only === undefined || provider === only)
        .some(({ healthy, breaker, ageMs }) => healthy && breaker === 'closed' && ageMs <= STALE_AFTER_MS);
    },
  };
}

async function listAll(
  client: ProviderClient,
  filter: { readonly provider?: ProviderName },
): Promise<readonly SandboxView[]> {
  const all: SandboxView[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const next = cursor === undefined ? {} : { cursor };
    const list = await client.list({ ...filter, ...next, limit: PAGE_SIZE });
    all.push(...list.sandboxes);
    cursor = list.cursor;
    if (cursor === undefined) return all;
  }
  throw new Error(`more than ${MAX_PAGES * PAGE_SIZE} sandboxes: list them page by page with the client`);
}

function toInstance(sandbox: SandboxView): SandboxInstance {
  const { id, provider, fellBackFrom, endpoints } = sandbox;
  return {
    id,
    status: statusOf(sandbox),
    ...(provider === undefined ? {} : { provider }),
    fellBackFrom,
    supportsRamSnapshot: provider !== undefined && CAN_KEEP_MEMORY[provider],
    endpoints,
  };
}

function statusOf({ state, preservesRam }: SandboxView): SandboxStatus {
  return state === 'paused' && preservesRam === false ? 'stopped' : STATUS[state];
}
