import { bootCold, powerOff } from '../guest-power.ts';
import { isHaManaged, refuseOverruleForHa, requestHa } from '../ha.ts';
import { PveFailure } from '../pve-failure.ts';
import { checkLock, isTemplate, loadGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';
import { abortGuestTasks, type Worker } from '../tasks.ts';
import type { VmCall } from './start-vm.ts';
import { requireVm, withVmLock } from './vm-locks.ts';

/** POST status/stop pulls the plug. A VM that does not run, a hibernated one included, is left as it is. */
export function stopVm(
  world: PveWorld,
  call: VmCall,
  { overruleShutdown }: { readonly overruleShutdown: boolean },
): string {
  const guest = world.guests.on(call.node, 'qemu', call.vmid);
  refuseOverruleForHa(guest, overruleShutdown);
  if (isHaManaged(guest))
    return requestHa(world, call, 'stopped', (later) => forkStop(world, later, overruleShutdown));
  return forkStop(world, call, overruleShutdown);
}

function forkStop(world: PveWorld, { node, vmid, user }: VmCall, overruleShutdown: boolean): string {
  return world.tasks.fork({ node, type: 'qmstop', id: String(vmid), user }, async (worker) => {
    if (overruleShutdown) await abortGuestTasks(world.tasks, { node, type: 'qmshutdown', id: String(vmid) });
    await endProcess(world, worker, { node, vmid }, world.latency.stopMs);
  });
}

/** POST status/shutdown holds the file lock until the guest is off. */
export function shutdownVm(world: PveWorld, call: VmCall, options: { readonly forceStop: boolean }): string {
  const guest = world.guests.on(call.node, 'qemu', call.vmid);
  const isPaused = guest?.process?.qmpStatus === 'paused';
  if (isPaused && !options.forceStop) throw new PveFailure('VM is paused - cannot shutdown');
  const durationMs = isPaused ? world.latency.stopMs : world.latency.shutdownMs;
  if (isHaManaged(guest))
    return requestHa(world, call, 'stopped', (later) => forkShutdown(world, later, durationMs));
  return forkShutdown(world, call, durationMs);
}

function forkShutdown(world: PveWorld, { node, vmid, user }: VmCall, durationMs: number): string {
  return world.tasks.fork({ node, type: 'qmshutdown', id: String(vmid), user }, (worker) =>
    endProcess(world, worker, { node, vmid }, durationMs),
  );
}

/** POST status/reboot is a shutdown and a fresh start: memory is not kept. */
export function rebootVm(world: PveWorld, { node, vmid, user }: VmCall): string {
  const { process } = requireVm(world.guests, node, vmid);
  if (process === null) throw new PveFailure(`VM ${vmid} not running`);
  if (process.qmpStatus === 'paused') throw new PveFailure('VM is paused - cannot shutdown');
  return world.tasks.fork({ node, type: 'qmreboot', id: String(vmid), user }, (worker) =>
    withVmLock(world, { node, vmid, signal: worker.signal }, async () => {
      checkLock(loadGuest(world.guests, node, 'qemu', vmid));
      await worker.spend(world.latency.shutdownMs, 'middle');
      powerOff(world, loadGuest(world.guests, node, 'qemu', vmid));
      await worker.spend(world.latency.startMs, 'end');
      bootCold(world, loadGuest(world.guests, node, 'qemu', vmid));
    }),
  );
}

function endProcess(
  world: PveWorld,
  worker: Worker,
  { node, vmid }: { readonly node: string; readonly vmid: number },
  durationMs: number,
): Promise<void> {
  return withVmLock(world, { node, vmid, signal: worker.signal }, async () => {
    const guest = requireVm(world.guests, node, vmid);
    if (guest.process === null || isTemplate(guest)) return;
    checkLock(guest);
    await worker.spend(durationMs, 'end');
    powerOff(world, loadGuest(world.guests, node, 'qemu', vmid));
  });
}
