/** The `instances` of cmux's `getMorphClient()` and `getPveLxcClient()`, on either provider. */
import type { LifecycleClient } from '../../core/client.ts';
import { isLifecycleError, LifecycleError } from '../../core/lifecycle-error.ts';
import { isEnded } from '../../core/sandbox.ts';
import type { StartInput } from '../../core/start-request.ts';
import type { SandboxView } from '../../core/views.ts';
import { type CmuxInstanceOptions, type CmuxSandboxInstance, wrapSandbox } from './cmux-sandbox-instance.ts';

/** One of `presetId`, `snapshotId` and `template`: a size by name, or a custom environment of one provider. */
export interface CmuxStartInput {
  /** Twice the same is one sandbox. cmux has the task run's id for it. */
  readonly requestId?: string;
  readonly presetId?: string;
  /** A Morph snapshot, of the team's own making as a rule: it can run on Morph only. */
  readonly snapshotId?: string;
  /** A Proxmox template. Its name is checked before it is cloned, for VMIDs of templates get reused. */
  readonly template?: {
    readonly provider: 'pve-vm' | 'pve-lxc';
    readonly vmid: number;
    readonly expectedName: string;
  };
  /** Canonical or one of cmux's aliases. A preference, unless `allowFallback` is false. */
  readonly provider?: string;
  readonly allowFallback?: boolean;
  readonly workloadType?: NonNullable<StartInput['workloadType']>;
  readonly requiresRamSnapshot?: boolean;
  readonly ttlSeconds?: number;
  /** `stop` deletes, as on Morph. Default `pause`, which is not Morph's. */
  readonly ttlAction?: 'pause' | 'stop';
  readonly idleTimeoutSeconds?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly teamId?: string;
  readonly userId?: string;
  readonly taskRunId?: string;
  /** Nothing automatic touches it. Default: whether it has no `taskRunId`; unknown protection means protected. */
  readonly isCloudWorkspace?: boolean;
}

export interface CmuxInstances {
  /** Resolves once every service answers: no wait for ports is needed after it. */
  start(input: CmuxStartInput): Promise<CmuxSandboxInstance>;
  /** @throws `LifecycleError` `not_found`, for an ended sandbox too, as after Morph's DELETE */
  get(ids: { readonly instanceId: string }): Promise<CmuxSandboxInstance>;
  /** `null` instead of `not_found`; every other trouble is thrown and never mistaken for absence. */
  tryGet(ids: { readonly instanceId: string }): Promise<CmuxSandboxInstance | null>;
}

export type CmuxClient = Pick<
  LifecycleClient,
  'start' | 'get' | 'pause' | 'resume' | 'destroy' | 'touch' | 'setTtl'
>;

export function createCmuxInstances(client: CmuxClient, options: CmuxInstanceOptions = {}): CmuxInstances {
  const { timeoutMs } = options;

  async function get({ instanceId }: { readonly instanceId: string }): Promise<CmuxSandboxInstance> {
    const sandbox = await client.get(instanceId);
    if (isEnded(sandbox.state)) throw ended(instanceId, sandbox);
    return wrapSandbox(client, sandbox, options);
  }

  return {
    async start({ requestId, ...input }) {
      const sandbox = await client.start(toStartInput(input), {
        ...(requestId === undefined ? {} : { idempotencyKey: requestId }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      });
      return wrapSandbox(client, sandbox, options);
    },
    get,
    async tryGet(ids) {
      try {
        return await get(ids);
      } catch (error) {
        if (isLifecycleError(error) && error.code === 'not_found') return null;
        throw error;
      }
    },
  };
}

function toStartInput(input: Omit<CmuxStartInput, 'requestId'>): StartInput {
  const { presetId, snapshotId, template, provider, ttlAction = 'pause', ...same } = input;
  // As cmux has it: without the flag, what belongs to no task run is a cloud workspace.
  const { isCloudWorkspace = input.taskRunId === undefined, ...rest } = same;
  const sources = {
    ...(snapshotId === undefined ? {} : { morph: { snapshotId } }),
    ...(template && {
      [template.provider]: { templates: [{ vmid: template.vmid, expectedName: template.expectedName }] },
    }),
  };
  return {
    ...rest,
    ...(presetId === undefined ? {} : { preset: presetId }),
    ...(Object.keys(sources).length === 0 ? {} : { sources }),
    ...(provider === undefined ? {} : { preferredProvider: provider }),
    onExpiry: ttlAction === 'stop' ? 'destroy' : 'pause',
    protected: isCloudWorkspace,
  };
}

function ended(instanceId: string, { id, state, cause }: SandboxView): LifecycleError {
  return new LifecycleError({
    code: 'not_found',
    message: `sandbox ${instanceId} is ${state} (${cause})`,
    retryable: false,
    sandboxId: id,
  });
}
