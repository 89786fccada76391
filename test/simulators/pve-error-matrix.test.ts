import { describe, expect, it } from 'vitest';
import { simulate, TEMPLATE } from './support.ts';

/**
 * Error before the fork (an HTTP status, nothing started) against error in the task (200 and an exit status):
 * facts/proxmox.md §0, column QEMU.
 */
type Setup =
  | 'absent'
  | 'stopped'
  | 'running'
  | 'hibernated'
  | 'paused'
  | `locked:${string}`
  | `locked running:${string}`;

const VMID = 20_001;

const VERBS = {
  start: ['POST', '/status/start', undefined],
  stop: ['POST', '/status/stop', undefined],
  shutdown: ['POST', '/status/shutdown', undefined],
  suspend: ['POST', '/status/suspend', { todisk: 1 }],
  resume: ['POST', '/status/resume', undefined],
  reboot: ['POST', '/status/reboot', undefined],
  destroy: ['DELETE', '', undefined],
  config: ['PUT', '/config', { tags: 'x' }],
  clone: ['POST', '/clone', { newid: 20_777, full: 1 }],
} as const;

const NO_FILE = "unable to find configuration file for VM 20001 on node 'pve1'";
const NO_CONF = "Configuration file 'nodes/pve1/qemu-server/20001.conf' does not exist";

interface Row {
  readonly verb: keyof typeof VERBS;
  readonly on: Setup;
  readonly early?: string;
  readonly task?: string;
}

const ROWS: readonly Row[] = [
  { verb: 'start', on: 'absent', task: NO_CONF },
  { verb: 'start', on: 'running', task: 'VM 20001 already running' },
  { verb: 'start', on: 'paused', task: 'VM 20001 already running' },
  { verb: 'start', on: 'locked:clone', task: 'VM is locked (clone)' },
  { verb: 'start', on: 'locked:suspending', task: 'VM is locked (suspending)' },
  { verb: 'start', on: 'hibernated', task: 'OK' },
  { verb: 'stop', on: 'absent', task: NO_FILE },
  { verb: 'stop', on: 'stopped', task: 'OK' },
  { verb: 'stop', on: 'hibernated', task: 'OK' },
  { verb: 'stop', on: 'locked running:suspending', task: 'VM is locked (suspending)' },
  { verb: 'shutdown', on: 'stopped', task: 'OK' },
  { verb: 'shutdown', on: 'running', task: 'OK' },
  { verb: 'shutdown', on: 'paused', early: 'VM is paused - cannot shutdown' },
  { verb: 'suspend', on: 'absent', early: NO_FILE },
  { verb: 'suspend', on: 'stopped', early: 'VM 20001 not running' },
  { verb: 'suspend', on: 'hibernated', early: 'VM 20001 not running' },
  { verb: 'suspend', on: 'locked running:snapshot', task: 'VM is locked (snapshot)' },
  { verb: 'suspend', on: 'locked running:backup', task: 'cannot suspend to disk during backup' },
  { verb: 'resume', on: 'absent', early: NO_FILE },
  { verb: 'resume', on: 'running', task: 'OK' },
  { verb: 'resume', on: 'paused', task: 'OK' },
  { verb: 'resume', on: 'stopped', early: 'VM 20001 not running' },
  { verb: 'resume', on: 'hibernated', task: 'OK' },
  { verb: 'resume', on: 'locked running:suspending', task: 'VM is locked (suspending)' },
  { verb: 'reboot', on: 'stopped', early: 'VM 20001 not running' },
  { verb: 'reboot', on: 'running', task: 'OK' },
  { verb: 'destroy', on: 'absent', early: NO_CONF },
  { verb: 'destroy', on: 'running', early: 'VM 20001 is running - destroy failed' },
  { verb: 'destroy', on: 'locked:clone', task: 'VM is locked (clone)' },
  { verb: 'destroy', on: 'locked:destroyed', task: 'VM is locked (destroyed)' },
  { verb: 'destroy', on: 'hibernated', task: 'OK' },
  { verb: 'config', on: 'absent', early: NO_CONF },
  { verb: 'config', on: 'hibernated', early: 'VM is locked (suspended)' },
  { verb: 'config', on: 'locked:clone', early: 'VM is locked (clone)' },
  { verb: 'clone', on: 'absent', early: NO_FILE },
  { verb: 'clone', on: 'locked:backup', early: 'VM is locked (backup)' },
];

async function arrange(world: Awaited<ReturnType<typeof simulate>>, setup: Setup): Promise<void> {
  const { api, pve } = world;
  if (setup === 'absent') return;
  await api.clone(VMID);
  if (setup === 'stopped') return;
  const [state, lock] = setup.split(':');
  if (state !== 'locked') await api.start(VMID);
  if (setup === 'hibernated') await api.suspend(VMID);
  if (setup === 'paused') await api.task('POST', `${api.vm(VMID)}/status/suspend`);
  if (lock !== undefined) pve.operator.lock(VMID, lock);
}

function titleOf({ verb, on, early, task }: Row): string {
  const outcome = early === undefined ? `200, and the task ends with "${task}"` : `500 "${early}"`;
  return `answers ${verb} of a VM that is ${on} with ${outcome}`;
}

describe('where simulated Proxmox reports an error', () => {
  it.each(ROWS.map((row) => [titleOf(row), row] as const))('%s', async (_, { verb, on, early, task }) => {
    const world = await simulate();
    await arrange(world, on);
    const [method, path, body] = VERBS[verb];
    const reply = await world.api.call(
      method,
      `${world.api.vm(VMID)}${path}`,
      body === undefined ? {} : { body },
    );
    if (early !== undefined) expect(reply).toMatchObject({ status: 500, reason: early });
    else expect([reply.status, await world.api.ended(reply.body.data)]).toEqual([200, task]);
  });

  it('starts no template, and stops none', async () => {
    const { api } = await simulate();
    expect(await api.start(TEMPLATE.vmid)).toBe("you can't start a vm if it's a template");
    expect(await api.task('POST', `${api.vm(TEMPLATE.vmid)}/status/stop`)).toBe('OK');
  });

  it('leaves a hibernated VM hibernated when it is stopped', async () => {
    const world = await simulate();
    await arrange(world, 'hibernated');
    await world.api.task('POST', `${world.api.vm(VMID)}/status/stop`);
    expect(await world.api.status(VMID)).toMatchObject({ status: 'stopped', lock: 'suspended' });
  });

  it('stops a paused VM on shutdown only by force', async () => {
    const world = await simulate();
    await arrange(world, 'paused');
    expect(await world.api.task('POST', `${world.api.vm(VMID)}/status/shutdown`, { forceStop: 1 })).toBe(
      'OK',
    );
    expect(await world.api.status(VMID)).toMatchObject({ status: 'stopped' });
  });

  it('destroys neither a protected VM nor a template with linked clones', async () => {
    const world = await simulate();
    await arrange(world, 'stopped');
    await world.api.put(`${world.api.vm(VMID)}/config`, { protection: 1 });
    expect(await world.api.del(world.api.vm(VMID))).toMatchObject({
      status: 500,
      reason: "can't remove VM 20001 - protection mode enabled",
    });
    expect(await world.api.task('DELETE', world.api.vm(TEMPLATE.vmid))).toBe(
      "base volume 'local-lvm:base-9000-disk-0' is still in use by linked cloned",
    );
  });

  it('refuses hibernation with a passed-through device', async () => {
    const world = await simulate();
    await arrange(world, 'stopped');
    await world.api.put(`${world.api.vm(VMID)}/config`, { hostpci0: '0000:01:00.0' });
    await world.api.start(VMID);
    const reply = await world.api.post(`${world.api.vm(VMID)}/status/suspend`, { todisk: 1 });
    expect(reply.reason).toMatch(/^cannot suspend VM to disk due to passed-through PCI device/);
  });

  it('says that a VM moved to another node does not exist on its old one', async () => {
    const world = await simulate({ nodes: ['pve1', 'pve2'] });
    await arrange(world, 'stopped');
    world.pve.operator.migrate(VMID, 'pve2');
    expect((await world.api.get(`${world.api.vm(VMID)}/status/current`)).reason).toBe(NO_CONF);
    expect((await world.api.get(`${world.api.vm(VMID, 'pve2')}/status/current`)).status).toBe(200);
    expect((await world.api.get(`/cluster/nextid?vmid=${VMID}`)).status).toBe(400);
  });
});
