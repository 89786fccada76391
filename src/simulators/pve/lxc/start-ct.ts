import { freeze, thaw } from '../../guest-memory.ts';
import { checkQuorum } from '../cluster.ts';
import { bootCold } from '../guest-power.ts';
import { isHaManaged, requestHa } from '../ha.ts';
import { PveFailure } from '../pve-failure.ts';
import { checkLock, isTemplate, loadGuest } from '../pve-guests.ts';
import type { PveWorld } from '../pve-world.ts';
import { type CtCall, isMounted, refuseRunning, requireRunning, withCtLock } from './ct-locks.ts';

/** POST status/start: a running container is refused before the fork, everything else in the task. */
export function startCt(world: PveWorld, call: CtCall): string {
  refuseRunning(world, call);
  checkQuorum(world);
  if (isHaManaged(world.guests.on(call.node, 'lxc', call.vmid))) {
    return requestHa(world, call, 'started', (later) => forkStart(world, later));
  }
  return forkStart(world, call);
}

function forkStart(world: PveWorld, { node, vmid, user }: CtCall): string {
  return world.tasks.fork({ node, type: 'vzstart', id: String(vmid), user }, (worker) =>
    withCtLock(world, { node, vmid, signal: worker.signal }, async () => {
      const guest = loadGuest(world.guests, node, 'lxc', vmid);
      if (isTemplate(guest)) throw new PveFailure("you can't start a CT if it's a template");
      if (!isMounted(guest)) checkLock(guest);
      // A second start that passed the early check before the first was up: `systemctl start` of an active unit does
      // nothing (LXC.pm vm_start; inferred, not seen).
      if (guest.process !== null) return;
      await worker.spend(world.latency.ctStartMs, 'end');
      bootCold(world, loadGuest(world.guests, node, 'lxc', vmid));
    }),
  );
}

/**
 * POST status/suspend: `lxc-checkpoint` into one directory that all containers of the node share, so the next suspend
 * destroys this checkpoint. No lock word tells of it: afterwards the container is plainly stopped. Documented as
 * experimental, and no place to keep an agent's memory.
 */
export function suspendCt(world: PveWorld, call: CtCall): string {
  requireRunning(world, call);
  const { node, vmid, user } = call;
  return world.tasks.fork({ node, type: 'vzsuspend', id: String(vmid), user }, (worker) =>
    withCtLock(world, { node, vmid, signal: worker.signal }, async () => {
      checkLock(loadGuest(world.guests, node, 'lxc', vmid));
      await worker.spend(world.latency.ctStartMs, 'end');
      const guest = loadGuest(world.guests, node, 'lxc', vmid);
      if (guest.process === null) throw new PveFailure(checkpointFailure(vmid, '-s'));
      for (const other of world.guests.all()) {
        if (other.node === node && other.checkpointed === true) {
          world.guests.change(other.vmid, { checkpointed: false });
        }
      }
      const memory = freeze(guest.memory, world.nowMs());
      world.guests.change(vmid, { process: null, memory, checkpointed: true });
    }),
  );
}

/** POST status/resume takes no lock at all, and works only while the node's last checkpoint is this container's. */
export function resumeCt(world: PveWorld, call: CtCall): string {
  refuseRunning(world, call);
  const { node, vmid, user } = call;
  return world.tasks.fork({ node, type: 'vzresume', id: String(vmid), user }, async (worker) => {
    await worker.spend(world.latency.ctStartMs, 'end');
    const guest = world.guests.on(node, 'lxc', vmid);
    if (guest?.checkpointed !== true || guest.process !== null) {
      throw new PveFailure(checkpointFailure(vmid, '-r --foreground'));
    }
    const nowMs = world.nowMs();
    world.guests.change(vmid, {
      process: { pid: world.nextPid(), startedAtMs: nowMs, qmpStatus: 'running' },
      memory: thaw(guest.memory, nowMs),
      checkpointed: false,
    });
    world.hostMemory.taken(node);
  });
}

/** run_command's words for a command that failed. */
function checkpointFailure(vmid: number, flags: string): string {
  return `command 'lxc-checkpoint -n ${vmid} ${flags} -D /var/lib/vz/dump' failed: exit code 1`;
}
