import { badParameters, PveFailure } from './pve-failure.ts';
import type { HaState, PveGuest } from './pve-guests.ts';
import type { PveWorld } from './pve-world.ts';

/**
 * Guests that the HA manager owns. Their start and stop are requests to it: the task `hastart` or `hastop` ends as
 * soon as the request is written, and the manager does the work later, as tasks of root@pam. That it takes
 * `haReactionMs`, and that a wish written later replaces the earlier one, is our reading; pve-ha-manager was not read.
 */

export function isHaManaged(guest: PveGuest | undefined): boolean {
  return guest?.ha !== undefined;
}

/** Answers the UPID of the request; `carryOut` forks the task that does what was asked. */
export function requestHa(
  world: PveWorld,
  call: { readonly node: string; readonly vmid: number; readonly user: string },
  wanted: HaState,
  carryOut: (call: { readonly node: string; readonly vmid: number; readonly user: string }) => unknown,
): string {
  const { node, vmid, user } = call;
  const type = wanted === 'started' ? 'hastart' : 'hastop';
  return world.tasks.fork({ node, type, id: String(vmid), user }, async (worker) => {
    const word = world.guests.get(vmid)?.kind === 'lxc' ? 'CT' : 'VM';
    worker.log(`Requesting HA ${wanted === 'started' ? 'start' : 'stop'} for ${word} ${vmid}`);
    await worker.spend(0, 'end');
    world.guests.change(vmid, { ha: wanted });
    world.timers.after(world.latency.haReactionMs, () => {
      const guest = world.guests.get(vmid);
      const isThere = (guest?.process ?? null) !== null;
      if (guest?.ha !== wanted || isThere === (wanted === 'started')) return;
      carryOut({ node: guest.node, vmid, user: 'root@pam' });
    });
  });
}

export function refuseOverruleForHa(guest: PveGuest | undefined, overruleShutdown: boolean): void {
  if (!overruleShutdown || !isHaManaged(guest)) return;
  throw badParameters({ 'overrule-shutdown': 'Not applicable for HA resources.' });
}

/** Without `purge` a guest that HA knows of stays. */
export function refuseDestroyForHa(guest: PveGuest, purge: boolean): void {
  if (purge || !isHaManaged(guest)) return;
  const word = guest.kind === 'qemu' ? 'VM' : 'CT';
  throw new PveFailure(
    `unable to remove ${word} ${guest.vmid} - used in HA resources and purge parameter not set.`,
  );
}

/** The `ha` field of status/current. */
export function haField({ ha, kind }: PveGuest) {
  if (ha === undefined) return { managed: 0 };
  return { managed: 1, state: ha, type: kind === 'qemu' ? 'vm' : 'ct' };
}
