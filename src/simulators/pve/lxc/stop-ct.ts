import { bootCold, powerOff } from '../guest-power.ts';
import { isHaManaged, refuseOverruleForHa, requestHa } from '../ha.ts';
import { PveFailure } from '../pve-failure.ts';
import { checkLock, loadGuest, type PveGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';
import { abortGuestTasks, type Worker } from '../tasks.ts';
import { type CtCall, isMounted, isRunning, requireRunning, withCtLock } from './ct-locks.ts';

/** POST status/stop kills the container. One that does not run is refused, where a VM's stop would just be done. */
export function stopCt(
  world: PveWorld,
  call: CtCall,
  { overruleShutdown }: { readonly overruleShutdown: boolean },
): string {
  requireRunning(world, call);
  const guest = world.guests.on(call.node, 'lxc', call.vmid);
  refuseOverruleForHa(guest, overruleShutdown);
  if (isHaManaged(guest))
    return requestHa(world, call, 'stopped', (later) => forkStop(world, later, overruleShutdown));
  return forkStop(world, call, overruleShutdown);
}

function forkStop(world: PveWorld, call: CtCall, overruleShutdown: boolean): string {
  const { node, vmid, user } = call;
  return world.tasks.fork({ node, type: 'vzstop', id: String(vmid), user }, async (worker) => {
    if (overruleShutdown) await abortGuestTasks(world.tasks, { node, type: 'vzshutdown', id: String(vmid) });
    await endProcess(world, worker, call, {
      durationMs: world.latency.stopMs,
      check: (guest) => {
        if (!isMounted(guest)) checkLock(guest);
      },
    });
  });
}

/** POST status/shutdown holds the file lock until the container is off. */
export function shutdownCt(world: PveWorld, call: CtCall): string {
  requireRunning(world, call);
  if (isHaManaged(world.guests.on(call.node, 'lxc', call.vmid))) {
    return requestHa(world, call, 'stopped', (later) => forkShutdown(world, later));
  }
  return forkShutdown(world, call);
}

function forkShutdown(world: PveWorld, call: CtCall): string {
  const { node, vmid, user } = call;
  return world.tasks.fork({ node, type: 'vzshutdown', id: String(vmid), user }, (worker) =>
    endProcess(world, worker, call, { durationMs: world.latency.shutdownMs, check: checkLock }),
  );
}

/** POST status/reboot asks for no lock word, and says VM where it means a container. */
export function rebootCt(world: PveWorld, call: CtCall): string {
  const { node, vmid, user } = call;
  if (!isRunning(world, node, vmid)) throw new PveFailure(`VM ${vmid} not running`);
  return world.tasks.fork({ node, type: 'vzreboot', id: String(vmid), user }, (worker) =>
    withCtLock(world, { node, vmid, signal: worker.signal }, async () => {
      if (!isRunning(world, node, vmid)) return;
      await worker.spend(world.latency.shutdownMs, 'middle');
      powerOff(world, loadGuest(world.guests, node, 'lxc', vmid));
      await worker.spend(world.latency.ctStartMs, 'end');
      bootCold(world, loadGuest(world.guests, node, 'lxc', vmid));
    }),
  );
}

/** A container that went off meanwhile is as good as stopped. */
function endProcess(
  world: PveWorld,
  worker: Worker,
  { node, vmid }: CtCall,
  how: { readonly durationMs: number; readonly check: (guest: PveGuest) => void },
): Promise<void> {
  return withCtLock(world, { node, vmid, signal: worker.signal }, async () => {
    how.check(loadGuest(world.guests, node, 'lxc', vmid));
    if (!isRunning(world, node, vmid)) return;
    await worker.spend(how.durationMs, 'end');
    powerOff(world, loadGuest(world.guests, node, 'lxc', vmid));
  });
}
