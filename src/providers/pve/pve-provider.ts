/** What both kinds of guests on Proxmox VE have in common: all but pause and resume. */
import { rememberingSteps } from '../acted.ts';
import type { Provider } from '../provider.ts';
import { reportCapacity } from './pve-capacity.ts';
import type { PveContext } from './pve-context.ts';
import { destroyGuest } from './pve-destroy.ts';
import { inspectGuest, listGuests, probeEndpoint } from './pve-inspect.ts';
import { look } from './pve-look.ts';
import { prepare } from './pve-prepare.ts';
import { bringUpGuest, createGuest } from './pve-start.ts';

/**
 * A VM clone's configuration is written by its task, after the reply (facts §3): the 30 s of the proxy, and some
 * for the task to begin. A container's is there before the reply, and the proxy may lose that one too.
 */
export const PVE_VISIBILITY_BOUND_MS = 35_000;

export interface PvePower extends Pick<Provider, 'pause' | 'resume'> {
  readonly preservesRam: boolean;
}

export function createPveProvider(context: PveContext, { preservesRam, pause, resume }: PvePower): Provider {
  const { kind, options } = context;
  return {
    name: kind.provider,
    guestIdPrefix: kind.guestIdPrefix,
    capabilities: { preservesRam },
    failureDomain: options.failureDomain,
    simulated: options.simulated,
    visibilityBoundMs: PVE_VISIBILITY_BOUND_MS,
    prepare: (spec, call) => prepare(spec, spec.sources[kind.provider]?.templates ?? [], context, call),
    create: (intent, call) => createGuest(intent, context, call),
    look: (intent, call) => look(intent, context, call),
    bringUp: (intent, created, call) => bringUpGuest(intent, created, context, call),
    pause,
    resume,
    destroy: (ref, call) => rememberingSteps(call, (watched) => destroyGuest(ref, context, watched)),
    inspect: (ref, call) => inspectGuest(ref, context, call),
    list: (call) => listGuests(context, call),
    capacity: (call) => reportCapacity(context, call),
    probe: (call) => probeEndpoint(context, call),
  };
}
