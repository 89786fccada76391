/**
 * Every refusal of Proxmox VE that we tell apart, first match wins: for VMs and containers in one table, since
 * their texts name the kind themselves (`VM is locked`, `CT is locked`) and mean the same.
 *
 * Sources: the Perl source, as collected in the project's fact sheet (§0 refusals before and inside the task, §1
 * statuses, §2 tasks, §3 locks, §4 QEMU, §5 LXC). Nothing here was seen on a live cluster. A 500 is Proxmox's word
 * for every plain error, so texts decide and statuses come last; only 401, 403 and the proxy's 595 to 599 speak for
 * themselves.
 */
import type { Effect, FailureKind } from '../../core/failure.ts';

export interface RefusalRow {
  readonly refusal: string;
  readonly status?: readonly number[];
  readonly text?: RegExp;
  readonly kind: FailureKind;
  /** What an HTTP reply like this leaves behind. */
  readonly effect: Effect;
  /** What a *task* that ended like this leaves behind; most have begun by then. Default: `unknown`. */
  readonly taskEffect?: Effect;
  /** What a person can do about it when it does not pass by itself. */
  readonly remediation: string;
}

/** Of things that are over soon and tried again meanwhile. */
const PASSES = 'It is tried again. If it stays, look at the task list of the node for what holds the lock.';
const LOOK_AT_TASK = 'Read the log of the task in the task list of the node.';

export const PVE_REFUSALS = [
  {
    refusal: 'unauthenticated',
    status: [401],
    kind: 'unauthorized',
    effect: 'none',
    remediation: 'Check PVE_API_TOKEN: USER@REALM!TOKENID=SECRET, not expired, on this cluster.',
  },
  {
    refusal: 'pool_missing',
    status: [403],
    text: /pool '.*' does not exist/,
    kind: 'invalid_request',
    effect: 'none',
    remediation: 'Create the pool under Datacenter, Permissions, Pools.',
  },
  // Rights that come from a pool end with the membership: on a VMID of our own this proves nothing (facts §1).
  {
    refusal: 'forbidden',
    status: [403],
    kind: 'unauthorized',
    effect: 'none',
    remediation:
      "Grant the token's user and the token the privilege the message names, on /vms with propagation.",
  },
  {
    refusal: 'proxy_connect_failed',
    status: [595],
    kind: 'unreachable',
    effect: 'none',
    remediation: 'The node is offline or its pvedaemon is down: check `systemctl status pvedaemon` there.',
  },
  // The proxy gave up after 30 s or lost its peer: the node may carry the request out all the same.
  {
    refusal: 'proxy_timed_out',
    status: [596],
    kind: 'timed_out',
    effect: 'unknown',
    remediation: 'The node took more than 30 s to answer: look at its load and its storages.',
  },
  {
    refusal: 'proxy_broke_off',
    status: [597, 598, 599],
    kind: 'unreachable',
    effect: 'unknown',
    remediation: 'The connection between two nodes broke: check the cluster network.',
  },
  {
    refusal: 'no_such_task',
    text: /no such task|unable to parse worker upid/,
    kind: 'not_found',
    effect: 'none',
    remediation: 'The task list has been rotated; what the guest looks like now decides.',
  },
  // Raised after the worker was forked and let go (facts §2).
  {
    refusal: 'forked_unseen',
    text: /\.active\.lock' - got timeout/,
    kind: 'provider_error',
    effect: 'unknown',
    remediation: 'The disk of the node under /var/log/pve is slow or full.',
  },
  {
    refusal: 'not_forked',
    text: /got no worker upid|unable to fork worker/,
    kind: 'provider_error',
    effect: 'none',
    remediation: 'The node is out of processes or memory: look at its system log.',
  },
  {
    refusal: 'no_quorum',
    text: /no quorum/,
    kind: 'unreachable',
    effect: 'none',
    remediation: 'The cluster has lost its quorum: run `pvecm status` on a node.',
  },
  {
    refusal: 'unknown_node',
    text: /hostname lookup '.*' failed/,
    kind: 'invalid_request',
    effect: 'none',
    taskEffect: 'none',
    remediation: 'Check PVE_NODE: no node of the cluster has this name.',
  },
  {
    refusal: 'root_only',
    text: /[Oo]nly root (may|can)|only allowed for root@pam/,
    kind: 'unauthorized',
    effect: 'none',
    remediation: 'Proxmox lets no API token do this: do it as root on the node.',
  },
  // `VM 5 already exists` (nextid), `config file already exists`, `CT 5 already exists on node`, pmxcfs EEXIST.
  {
    refusal: 'vmid_taken',
    text: /(VM|CT) \d+ already exists|config file already exists|\.conf' failed: File exists/,
    kind: 'contention',
    effect: 'none',
    taskEffect: 'none',
    remediation: 'Give our guests a range of VMIDs that nothing else uses: PVE_VMID_RANGE.',
  },
  {
    refusal: 'guest_missing',
    text: /[Cc]onfiguration file '.*' does not exist|unable to find configuration file/,
    kind: 'not_found',
    effect: 'none',
    taskEffect: 'none',
    remediation: 'The guest, or the template it is cloned from, is not on this node.',
  },
  // The guest's flock: held for the whole of a start, stop, destroy or config change by somebody else.
  {
    refusal: 'flock_timeout',
    text: /can't lock file '.*(qemu-server\/lock-|pve-config-)\d+\.(conf|lock)' - got timeout/,
    kind: 'contention',
    effect: 'none',
    remediation: PASSES,
  },
  {
    refusal: 'storage_lock_timeout',
    text: /pve-storage-.* - got timeout|cfs-lock 'storage-|-locked command timed out/,
    kind: 'contention',
    effect: 'none',
    remediation: PASSES,
  },
  {
    refusal: 'user_config_lock_timeout',
    text: /file-user_cfg|access permissions cleanup .* failed/,
    kind: 'contention',
    effect: 'unknown',
    remediation: PASSES,
  },
  // A guest's lock word, and `CT is locked (disk)` of a template that somebody clones.
  {
    refusal: 'locked',
    text: /(VM|CT) is locked \([\w-]+\)/,
    kind: 'contention',
    effect: 'none',
    taskEffect: 'none',
    remediation: PASSES,
  },
  {
    refusal: 'config_changed',
    text: /checksum mismatch \(file change by other user\?\)/,
    kind: 'contention',
    effect: 'none',
    remediation: PASSES,
  },
  {
    refusal: 'already_running',
    text: /already running/,
    kind: 'wrong_state',
    effect: 'none',
    taskEffect: 'none',
    remediation: 'Nothing: it runs.',
  },
  {
    refusal: 'not_running',
    text: /(VM|CT) \d+ (is )?not running/,
    kind: 'wrong_state',
    effect: 'none',
    taskEffect: 'none',
    remediation: 'Nothing: it is off, or its lock could not be had in time.',
  },
  {
    refusal: 'still_running',
    text: /is running - destroy failed|container is running/,
    kind: 'wrong_state',
    effect: 'none',
    taskEffect: 'none',
    remediation: 'Something keeps starting it: take it out of HA and of start at boot.',
  },
  {
    refusal: 'paused_in_memory',
    text: /is paused - cannot shutdown/,
    kind: 'wrong_state',
    effect: 'none',
    taskEffect: 'none',
    remediation: 'Somebody paused it in memory: resume it first.',
  },
  {
    refusal: 'is_template',
    text: /if it's a template/,
    kind: 'wrong_state',
    effect: 'none',
    taskEffect: 'none',
    remediation: 'Somebody made a template of this sandbox: clone it, and destroy the template.',
  },
  {
    refusal: 'write_protected',
    text: /protection mode enabled/,
    kind: 'wrong_state',
    effect: 'none',
    taskEffect: 'none',
    remediation: 'Somebody set the protection flag on this guest: clear it in its options, then retry.',
  },
  {
    refusal: 'has_linked_clones',
    text: /still in use by linked clone/,
    kind: 'wrong_state',
    effect: 'none',
    taskEffect: 'unknown',
    remediation: 'Destroy the clones that were made of it first.',
  },
  {
    refusal: 'ha_managed',
    text: /used in HA resources|HA managed/,
    kind: 'unsupported',
    effect: 'none',
    taskEffect: 'none',
    remediation: 'Take the guest out of HA (`ha-manager remove`): Proxmox cannot hibernate what HA manages.',
  },
  {
    refusal: 'cannot_hibernate',
    text: /cannot suspend VM to disk due to|hibernate a VM with/,
    kind: 'unsupported',
    effect: 'none',
    taskEffect: 'none',
    remediation: 'Remove passed-through devices, virtiofs and memory encryption from the template.',
  },
  {
    refusal: 'backup_running',
    text: /suspend to disk during backup/,
    kind: 'contention',
    effect: 'none',
    taskEffect: 'none',
    remediation: 'It is tried again when the backup may be done; leave sandboxes out of backup jobs.',
  },
  {
    refusal: 'save_failed',
    text: /query-savevm failed|savevm not active/,
    kind: 'guest_failed',
    effect: 'unknown',
    taskEffect: 'unknown',
    remediation: 'Its memory could not be written, and it goes on running: look at the storage of its state.',
  },
  {
    refusal: 'did_not_stop',
    text: /container did not stop|VM quit\/powerdown failed/,
    kind: 'timed_out',
    effect: 'none',
    taskEffect: 'none',
    remediation: 'What runs inside does not end: look at it, or stop it in the web interface.',
  },
  {
    refusal: 'no_linked_clone',
    text: /Linked clone feature/,
    kind: 'source_missing',
    effect: 'none',
    taskEffect: 'none',
    remediation:
      'Make it a template, on a storage that can do linked clones: lvmthin, zfspool, rbd, btrfs, or a directory (VMs only).',
  },
  {
    refusal: 'cannot_clone',
    text: /unable to clone mountpoint|[Ff]ull clones? (of a|on a) running container|not allowed for linked clones/,
    kind: 'source_missing',
    effect: 'none',
    taskEffect: 'none',
    remediation: 'Make the source a template without bind mounts: `pct set <vmid> --delete mp0`.',
  },
  {
    refusal: 'storage_missing',
    text: /storage '.*' (does not exist|is not (available|online|enabled))/,
    kind: 'source_missing',
    effect: 'none',
    remediation: 'A storage the template needs is not there: check it under Datacenter, Storage.',
  },
  {
    refusal: 'no_space',
    text: /no space left|not enough (free )?space|insufficient (free )?space|out of (data )?space/i,
    kind: 'over_capacity',
    effect: 'none',
    remediation: 'Free space on the storage the message names, or destroy paused sandboxes on it.',
  },
  {
    refusal: 'no_memory',
    text: /cannot (allocate|set up guest) memory/i,
    kind: 'over_capacity',
    effect: 'none',
    taskEffect: 'applied',
    remediation: 'The node is out of memory: raise PVE_HOST_RESERVE_MIB, or move guests away.',
  },
  {
    refusal: 'no_free_vmid',
    text: /unable to get any free VMID/,
    kind: 'over_capacity',
    effect: 'none',
    remediation: "Widen the cluster's range of VMIDs under Datacenter, Options.",
  },
  // A worker that was killed, or a node that was reset: nobody knows how far it came.
  {
    refusal: 'task_died',
    text: /^unexpected status|unable to get last line|interrupted by signal|received interrupt|Lost 'create' config lock/,
    kind: 'interrupted',
    effect: 'unknown',
    remediation:
      'Its worker was ended from outside, or the node was reset: look at the system log of the node.',
  },
  {
    refusal: 'boot_failed',
    text: /start failed|startup for container|QEMU exited/,
    kind: 'guest_failed',
    effect: 'unknown',
    taskEffect: 'applied',
    remediation: LOOK_AT_TASK,
  },
  {
    refusal: 'agent_missing',
    text: /No QEMU guest agent configured/,
    kind: 'wrong_state',
    effect: 'none',
    remediation:
      'Enable the QEMU guest agent in the template, or set PVE_PUBLIC_DOMAIN or a static ipconfig0.',
  },
  {
    refusal: 'agent_silent',
    text: /guest agent is not running|(qga|qmp) command '.*' failed|^Agent error/,
    kind: 'wrong_state',
    effect: 'none',
    remediation: 'Check that qemu-guest-agent runs in the template.',
  },
  {
    refusal: 'got_timeout',
    text: /got timeout|got lock request timeout/,
    kind: 'timed_out',
    effect: 'unknown',
    remediation: PASSES,
  },
  {
    refusal: 'rate_limited',
    status: [429],
    kind: 'rate_limited',
    effect: 'none',
    remediation: 'Something in front of Proxmox limits requests: let ours through.',
  },
  {
    refusal: 'not_implemented',
    status: [404, 501, 506],
    kind: 'invalid_request',
    effect: 'none',
    remediation: 'Check PVE_API_URL: it names a Proxmox VE host, such as https://pve.example.com:8006.',
  },
  {
    refusal: 'bad_parameters',
    status: [400],
    kind: 'invalid_request',
    effect: 'none',
    remediation: 'Check the preset and PVE_CLOUD_INIT: Proxmox VE refuses what the message names.',
  },
  // A text nobody has classified yet, and what a reverse proxy says: it may have happened.
  {
    refusal: 'other',
    kind: 'provider_error',
    effect: 'unknown',
    remediation: LOOK_AT_TASK,
  },
] as const satisfies readonly RefusalRow[];
