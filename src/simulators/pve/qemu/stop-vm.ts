import { PveFailure } from '../pve-failure.ts';
import { checkLock, isTemplate, loadGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';
import type { Worker } from '../tasks.ts';
import type { VmCall } from './start-vm.ts';
import { requireVm, withVmLock } from './vm-locks.ts';
import { bootCold, powerOff } from './vm-process.ts';

/** POST status/stop pulls the plug. A VM that does not run, a hibernated one included, is left as it is. */
export function stopVm(
  world: PveWorld,
  { node, vmid, user }: VmCall,
  options: { readonly overruleShutdown: boolean },
): string {
  return world.tasks.fork({ node, type: 'qmstop', id: String(vmid), user }, async (worker) => {
    if (options.overruleShutdown) await abortShutdowns(world, node, vmid);
    await endProcess(world, worker, { node, vmid }, world.latency.stopMs);
  });
}

/** POST status/shutdown holds the file lock until the guest is off. */
export function shutdownVm(
  world: PveWorld,
  { node, vmid, user }: VmCall,
  options: { readonly forceStop: boolean },
): string {
  const paused = world.guests.on(node, 'qemu', vmid)?.process?.qmpStatus === 'paused';
  if (paused && !options.forceStop) throw new PveFailure('VM is paused - cannot shutdown');
  return world.tasks.fork({ node, type: 'qmshutdown', id: String(vmid), user }, (worker) =>
    endProcess(world, worker, { node, vmid }, paused ? world.latency.stopMs : world.latency.shutdownMs),
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

async function abortShutdowns(world: PveWorld, node: string, vmid: number): Promise<void> {
  const running = world.tasks
    .list(node)
    .filter((task) => task.type === 'qmshutdown' && task.id === String(vmid) && task.end === null);
  await Promise.all(running.map((task) => world.tasks.interrupt(task.upid)));
}
