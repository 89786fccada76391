/** The texts are those of Proxmox VE's source, as the project's fact sheet lists them. */
import { describe, expect, it } from 'vitest';
import { failedTask, type PveRefusal, refusedRequest } from '../../src/providers/pve/pve-errors.ts';
import { PVE_REFUSALS } from '../../src/providers/pve/pve-refusals.ts';

type Expected = readonly [text: string, refusal: PveRefusal, kind: string, effect: string];

const REQUESTS: readonly (readonly [status: number, ...Expected])[] = [
  [401, '', 'unauthenticated', 'unauthorized', 'none'],
  [401, 'Authentication failed!', 'unauthenticated', 'unauthorized', 'none'],
  [403, 'Permission check failed (/vms/105, VM.PowerMgmt)', 'forbidden', 'unauthorized', 'none'],
  [403, "Permission check failed (pool 'x' does not exist)", 'pool_missing', 'invalid_request', 'none'],
  [
    400,
    'Parameter verification failed. skiplock: Only root may use this option.',
    'root_only',
    'unauthorized',
    'none',
  ],
  [500, "only root can set 'lock' config", 'root_only', 'unauthorized', 'none'],
  [403, 'changing the hookscript is only allowed for root@pam', 'forbidden', 'unauthorized', 'none'],
  [595, 'No route to host', 'proxy_connect_failed', 'unreachable', 'none'],
  [596, 'Connection timed out', 'proxy_timed_out', 'timed_out', 'unknown'],
  [597, '', 'proxy_broke_off', 'unreachable', 'unknown'],
  [599, 'Too many redirections', 'proxy_broke_off', 'unreachable', 'unknown'],
  [400, 'Parameter verification failed. upid: no such task', 'no_such_task', 'not_found', 'none'],
  [
    500,
    "can't lock file '/var/log/pve/tasks/.active.lock' - got timeout",
    'forked_unseen',
    'provider_error',
    'unknown',
  ],
  [500, 'got no worker upid - start worker failed', 'not_forked', 'provider_error', 'none'],
  [500, 'cluster not ready - no quorum?', 'no_quorum', 'unreachable', 'none'],
  [
    500,
    "hostname lookup 'x' failed - failed to get address info for: x",
    'unknown_node',
    'invalid_request',
    'none',
  ],
  [400, 'Parameter verification failed. vmid: VM 105 already exists', 'vmid_taken', 'contention', 'none'],
  [500, 'unable to create VM 105: config file already exists', 'vmid_taken', 'contention', 'none'],
  [500, "CT 105 already exists on node 'pve1'", 'vmid_taken', 'contention', 'none'],
  [
    500,
    "Configuration file 'nodes/pve1/qemu-server/105.conf' does not exist",
    'guest_missing',
    'not_found',
    'none',
  ],
  [500, "unable to find configuration file for VM 105 on node 'pve1'", 'guest_missing', 'not_found', 'none'],
  [
    500,
    "can't lock file '/var/lock/qemu-server/lock-105.conf' - got timeout",
    'flock_timeout',
    'contention',
    'none',
  ],
  [
    500,
    "can't lock file '/run/lock/lxc/pve-config-105.lock' - got timeout",
    'flock_timeout',
    'contention',
    'none',
  ],
  [
    500,
    "can't add VM 105 to pool 'p': cfs-lock 'file-user_cfg' error: got lock request timeout",
    'user_config_lock_timeout',
    'contention',
    'unknown',
  ],
  [500, 'no quorum!', 'no_quorum', 'unreachable', 'none'],
  [500, "VM 105 already exists on node 'pve2'", 'vmid_taken', 'contention', 'none'],
  [500, "Configuration file 'nodes/pve1/lxc/105.conf' does not exist", 'guest_missing', 'not_found', 'none'],
  [
    500,
    'access permissions cleanup for VM 105 failed: got lock request timeout',
    'user_config_lock_timeout',
    'contention',
    'unknown',
  ],
  [500, 'checksum mismatch (file change by other user?)', 'config_changed', 'contention', 'none'],
  [500, 'VM is paused - cannot shutdown', 'paused_in_memory', 'wrong_state', 'none'],
  [500, 'CT 105 not running', 'not_running', 'wrong_state', 'none'],
  [500, 'CT is locked (create)', 'locked', 'contention', 'none'],
  [500, "can't remove CT 105 - protection mode enabled", 'write_protected', 'wrong_state', 'none'],
  [
    500,
    'unable to remove CT 105 - used in HA resources and purge parameter not set.',
    'ha_managed',
    'unsupported',
    'none',
  ],
  [
    500,
    "Linked clone feature for 'local:105/vm-105-disk-0.raw' is not available",
    'no_linked_clone',
    'source_missing',
    'none',
  ],
  [500, "unable to clone mountpoint 'mp0' (type bind)", 'cannot_clone', 'source_missing', 'none'],
  [
    500,
    'Full clone of a running container is only possible from a snapshot',
    'cannot_clone',
    'source_missing',
    'none',
  ],
  [
    500,
    'Cannot do full clones on a running container without snapshots',
    'cannot_clone',
    'source_missing',
    'none',
  ],
  [500, "parameter 'storage' not allowed for linked clones", 'cannot_clone', 'source_missing', 'none'],
  [500, 'Agent error: PID 12 does not exist', 'agent_silent', 'wrong_state', 'none'],
  [501, "Unexpected content for method 'DELETE'", 'not_implemented', 'invalid_request', 'none'],
  [500, 'VM is locked (suspending)', 'locked', 'contention', 'none'],
  [500, 'CT is locked (disk)', 'locked', 'contention', 'none'],
  [500, 'CT 105 already running', 'already_running', 'wrong_state', 'none'],
  [500, 'VM 105 not running', 'not_running', 'wrong_state', 'none'],
  [500, 'VM 105 is not running', 'not_running', 'wrong_state', 'none'],
  [500, 'VM 105 is running - destroy failed', 'still_running', 'wrong_state', 'none'],
  [500, 'unable to destroy CT 105 - container is running', 'still_running', 'wrong_state', 'none'],
  [500, "can't remove VM 105 - protection mode enabled", 'write_protected', 'wrong_state', 'none'],
  [500, 'Cannot suspend HA managed VM to disk', 'ha_managed', 'unsupported', 'none'],
  [
    500,
    'unable to remove VM 105 - used in HA resources and purge parameter not set.',
    'ha_managed',
    'unsupported',
    'none',
  ],
  [
    500,
    'cannot suspend VM to disk due to passed-through PCI device(s), which lack the possibility to save/restore their internal state',
    'cannot_hibernate',
    'unsupported',
    'none',
  ],
  [
    500,
    "Linked clone feature is not supported for 'local-lvm:vm-100-disk-0' (scsi0)",
    'no_linked_clone',
    'source_missing',
    'none',
  ],
  [500, "storage 'x' does not exist", 'storage_missing', 'source_missing', 'none'],
  [500, 'unable to get any free VMID in range [100, 1000000]', 'no_free_vmid', 'over_capacity', 'none'],
  [500, 'No QEMU guest agent configured', 'agent_missing', 'wrong_state', 'none'],
  [500, 'QEMU guest agent is not running', 'agent_silent', 'wrong_state', 'none'],
  [500, "VM 105 qga command 'guest-exec' failed - got timeout", 'agent_silent', 'wrong_state', 'none'],
  [500, 'something - got timeout', 'got_timeout', 'timed_out', 'unknown'],
  [429, '', 'rate_limited', 'rate_limited', 'none'],
  [501, "Method 'GET /nodes/pve1/foo' not implemented", 'not_implemented', 'invalid_request', 'none'],
  [
    400,
    'Parameter verification failed. newid: value must have a minimum value of 100',
    'bad_parameters',
    'invalid_request',
    'none',
  ],
  [500, 'a text nobody has seen', 'other', 'provider_error', 'unknown'],
  [502, 'Bad Gateway', 'other', 'provider_error', 'unknown'],
];

const TASKS: readonly Expected[] = [
  ['CT is locked (mounted)', 'locked', 'contention', 'none'],
  ["you can't start a CT if it's a template", 'is_template', 'wrong_state', 'none'],
  ['container did not stop', 'did_not_stop', 'timed_out', 'none'],
  ['VM quit/powerdown failed - got timeout', 'did_not_stop', 'timed_out', 'none'],
  ["query-savevm failed with error 'No space'", 'save_failed', 'guest_failed', 'unknown'],
  ['savevm not active', 'save_failed', 'guest_failed', 'unknown'],
  ["clone failed: Lost 'create' config lock, aborting.", 'task_died', 'interrupted', 'unknown'],
  ['unable to get last line from task log - no such file', 'task_died', 'interrupted', 'unknown'],
  [
    "close (rename) atomic file '/etc/pve/nodes/pve1/lxc/105.conf' failed: File exists",
    'vmid_taken',
    'contention',
    'none',
  ],
  ['VM is locked (clone)', 'locked', 'contention', 'none'],
  ['VM 105 already running', 'already_running', 'wrong_state', 'none'],
  ["you can't start a vm if it's a template", 'is_template', 'wrong_state', 'none'],
  [
    "Configuration file 'nodes/pve1/qemu-server/105.conf' does not exist",
    'guest_missing',
    'not_found',
    'none',
  ],
  [
    "close (rename) atomic file '/etc/pve/nodes/pve1/qemu-server/105.conf' failed: File exists",
    'vmid_taken',
    'contention',
    'none',
  ],
  [
    "can't lock file '/var/lock/qemu-server/lock-105.conf' - got timeout",
    'flock_timeout',
    'contention',
    'unknown',
  ],
  [
    "clone failed: can't lock file '/var/lock/pve-manager/pve-storage-local-lvm' - got timeout",
    'storage_lock_timeout',
    'contention',
    'unknown',
  ],
  [
    "clone failed: cfs-lock 'storage-ceph' error: got lock request timeout",
    'storage_lock_timeout',
    'contention',
    'unknown',
  ],
  [
    "clone failed: 'storage-x'-locked command timed out - aborting",
    'storage_lock_timeout',
    'contention',
    'unknown',
  ],
  ['cannot suspend to disk during backup', 'backup_running', 'contention', 'none'],
  [
    'Cannot live-migrate, snapshot (with RAM), or hibernate a VM with: virtiofs',
    'cannot_hibernate',
    'unsupported',
    'none',
  ],
  ["base volume 'X' is still in use by linked cloned", 'has_linked_clones', 'wrong_state', 'unknown'],
  [
    "lvcreate 'pve/vm-105-state' error: Insufficient free space in thin pool",
    'no_space',
    'over_capacity',
    'unknown',
  ],
  ['qemu-img: error while writing: No space left on device', 'no_space', 'over_capacity', 'unknown'],
  [
    "start failed: kvm: cannot set up guest memory 'pc.ram': Cannot allocate memory",
    'no_memory',
    'over_capacity',
    'applied',
  ],
  ['start failed: QEMU exited with code 1', 'boot_failed', 'guest_failed', 'applied'],
  ["startup for container '105' failed", 'boot_failed', 'guest_failed', 'applied'],
  ['unexpected status', 'task_died', 'interrupted', 'unknown'],
  ['clone failed: interrupted by signal', 'task_died', 'interrupted', 'unknown'],
  ['a text nobody has seen', 'other', 'provider_error', 'unknown'],
];

describe('refusals of Proxmox VE', () => {
  it.each(REQUESTS)('reads %i %s as %s', (status, text, refusal, kind, effect) => {
    const asked = { provider: 'pve-vm', what: 'POST /x', status, text } as const;
    const error = refusedRequest({ ...asked, changes: true });
    expect({ refusal: error.refusal, ...error.report }).toMatchObject({ refusal, kind, effect });
    expect(refusedRequest({ ...asked, changes: false }).report.effect).toBe('none');
  });

  it.each(TASKS)('reads a task that ended with "%s" as %s', (text, refusal, kind, effect) => {
    const error = failedTask({ provider: 'pve-vm', upid: 'UPID:x', exitStatus: text });
    expect({ refusal: error.refusal, ...error.report }).toMatchObject({ refusal, kind, effect });
  });

  it('tells a person what to do about every one of them', () => {
    for (const { remediation } of PVE_REFUSALS) expect(remediation).toMatch(/\.$|`/);
  });

  it('has an example of every row', () => {
    const shown = new Set([...REQUESTS.map((row) => row[2]), ...TASKS.map((row) => row[1])]);
    expect(PVE_REFUSALS.map((row) => row.refusal).filter((refusal) => !shown.has(refusal))).toEqual([]);
  });
});
