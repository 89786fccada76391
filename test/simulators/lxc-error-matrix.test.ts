import { describe, expect, it } from 'vitest';
import { CT_TEMPLATE, simulate, TEMPLATE } from './support.ts';

/**
 * Error before the fork (an HTTP status, nothing started) against error in the task (200 and an exit status):
 * facts/proxmox.md §0, column LXC.
 */
type Setup = 'absent' | 'stopped' | 'running' | 'suspended' | `locked:${string}` | `locked running:${string}`;

const CTID = 20_001;

const VERBS = {
  start: ['POST', '/status/start', undefined],
  stop: ['POST', '/status/stop', undefined],
  shutdown: ['POST', '/status/shutdown', undefined],
  suspend: ['POST', '/status/suspend', undefined],
  resume: ['POST', '/status/resume', undefined],
  reboot: ['POST', '/status/reboot', undefined],
  destroy: ['DELETE', '', undefined],
  'destroy by force': ['DELETE', '?force=1', undefined],
  config: ['PUT', '/config', { tags: 'x' }],
  clone: ['POST', '/clone', { newid: 20_777, full: 1 }],
} as const;

const NO_CONF = "Configuration file 'nodes/pve1/lxc/20001.conf' does not exist";
const NOT_RUNNING = 'CT 20001 not running';
const RESTORE_FAILED =
  "command 'lxc-checkpoint -n 20001 -r --foreground -D /var/lib/vz/dump' failed: exit code 1";

interface Row {
  readonly verb: keyof typeof VERBS;
  readonly on: Setup;
  readonly early?: string;
  readonly task?: string;
}

const ROWS: readonly Row[] = [
  { verb: 'start', on: 'absent', task: NO_CONF },
  { verb: 'start', on: 'stopped', task: 'OK' },
  { verb: 'start', on: 'running', early: 'CT 20001 already running' },
  { verb: 'start', on: 'locked:create', task: 'CT is locked (create)' },
  { verb: 'start', on: 'locked:mounted', task: 'OK' },
  { verb: 'start', on: 'suspended', task: 'OK' },
  { verb: 'stop', on: 'absent', early: NOT_RUNNING },
  { verb: 'stop', on: 'stopped', early: NOT_RUNNING },
  { verb: 'stop', on: 'running', task: 'OK' },
  { verb: 'stop', on: 'locked running:backup', task: 'CT is locked (backup)' },
  { verb: 'stop', on: 'locked running:mounted', task: 'OK' },
  { verb: 'shutdown', on: 'stopped', early: NOT_RUNNING },
  { verb: 'shutdown', on: 'running', task: 'OK' },
  { verb: 'shutdown', on: 'locked running:mounted', task: 'CT is locked (mounted)' },
  { verb: 'suspend', on: 'absent', early: NOT_RUNNING },
  { verb: 'suspend', on: 'stopped', early: NOT_RUNNING },
  { verb: 'suspend', on: 'suspended', early: NOT_RUNNING },
  { verb: 'suspend', on: 'locked running:snapshot', task: 'CT is locked (snapshot)' },
  { verb: 'resume', on: 'running', early: 'CT 20001 already running' },
  { verb: 'resume', on: 'stopped', task: RESTORE_FAILED },
  { verb: 'resume', on: 'suspended', task: 'OK' },
  { verb: 'resume', on: 'absent', task: RESTORE_FAILED },
  { verb: 'reboot', on: 'stopped', early: 'VM 20001 not running' },
  { verb: 'reboot', on: 'running', task: 'OK' },
  { verb: 'reboot', on: 'locked running:backup', task: 'OK' },
  { verb: 'destroy', on: 'absent', early: NO_CONF },
  { verb: 'destroy', on: 'running', early: 'unable to destroy CT 20001 - container is running' },
  { verb: 'destroy', on: 'locked:create', early: 'CT is locked (create)' },
  { verb: 'destroy', on: 'locked:destroyed', early: 'CT is locked (destroyed)' },
  { verb: 'destroy', on: 'stopped', task: 'OK' },
  { verb: 'destroy by force', on: 'running', task: 'OK' },
  { verb: 'config', on: 'absent', early: NO_CONF },
  { verb: 'config', on: 'locked:backup', early: 'CT is locked (backup)' },
  { verb: 'clone', on: 'absent', early: NO_CONF },
  { verb: 'clone', on: 'locked:disk', early: 'CT is locked (disk)' },
  {
    verb: 'clone',
    on: 'running',
    early: 'Full clone of a running container is only possible from a snapshot',
  },
];

async function world() {
  const simulated = await simulate({ templates: [TEMPLATE, CT_TEMPLATE] });
  const { api, pve } = simulated;
  const arrange = async (setup: Setup): Promise<void> => {
    if (setup === 'absent') return;
    const body = { newid: CTID, hostname: 'pvelxc-00004e21' };
    await api.task('POST', `${api.ct(CT_TEMPLATE.vmid)}/clone`, body);
    const [state, lock] = setup.split(':');
    if (state !== 'locked' && state !== 'stopped') await api.task('POST', `${api.ct(CTID)}/status/start`);
    if (setup === 'suspended') await api.task('POST', `${api.ct(CTID)}/status/suspend`);
    if (lock !== undefined) pve.operator.lock(CTID, lock);
  };
  return { ...simulated, arrange };
}

function titleOf({ verb, on, early, task }: Row): string {
  const outcome = early === undefined ? `200, and the task ends with "${task}"` : `500 "${early}"`;
  return `answers ${verb} of a container that is ${on} with ${outcome}`;
}

describe('where simulated Proxmox reports an error of a container', () => {
  it.each(ROWS.map((row) => [titleOf(row), row] as const))('%s', async (_, { verb, on, early, task }) => {
    const { api, arrange } = await world();
    await arrange(on);
    const [method, path, body] = VERBS[verb];
    const reply = await api.call(method, `${api.ct(CTID)}${path}`, body === undefined ? {} : { body });
    if (early !== undefined) expect(reply).toMatchObject({ status: 500, reason: early });
    else expect([reply.status, await api.ended(reply.body.data)]).toEqual([200, task]);
  });

  it('starts no template', async () => {
    const { api } = await world();
    expect(await api.task('POST', `${api.ct(CT_TEMPLATE.vmid)}/status/start`)).toBe(
      "you can't start a CT if it's a template",
    );
  });

  it('destroys neither a protected container nor a template with linked clones', async () => {
    const { api, arrange } = await world();
    await arrange('stopped');
    await api.put(`${api.ct(CTID)}/config`, { protection: 1 });
    expect(await api.del(`${api.ct(CTID)}?force=1`)).toMatchObject({
      status: 500,
      reason: "can't remove CT 20001 - protection mode enabled",
    });
    expect(await api.task('DELETE', api.ct(CT_TEMPLATE.vmid))).toBe(
      "base volume 'base-9100-disk-0' is still in use by linked clones",
    );
  });

  it.each([
    { by: 'a VM on another node', guest: { node: 'pve2' }, text: "VM 20001 already exists on node 'pve2'" },
    {
      by: 'a container here',
      guest: { kind: 'lxc' as const },
      text: "CT 20001 already exists on node 'pve1'",
    },
  ])('refuses a clone early when the id is taken by $by, and frees its source', async ({ guest, text }) => {
    const { api, pve } = await simulate({ nodes: ['pve1', 'pve2'], templates: [CT_TEMPLATE] });
    pve.operator.add({ vmid: CTID, name: 'other', ...guest });
    const clone = `${api.ct(CT_TEMPLATE.vmid)}/clone`;
    expect(await api.post(clone, { newid: CTID })).toMatchObject({ status: 500, reason: text });
    expect(await api.task('POST', clone, { newid: 20_002 })).toBe('OK');
  });

  it('words the refusal of a running source differently on 8', async () => {
    const { api, pve } = await simulate({ version: '8.4.5', templates: [CT_TEMPLATE] });
    pve.operator.add({ vmid: CTID, name: 'on', kind: 'lxc', running: true });
    expect((await api.post(`${api.ct(CTID)}/clone`, { newid: 20_002 })).reason).toBe(
      'Cannot do full clones on a running container without snapshots',
    );
  });
});
