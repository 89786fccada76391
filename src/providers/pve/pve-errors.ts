import type { Effect, FailureKind } from '../../core/failure.ts';
import type { ProviderName } from '../../core/provider-name.ts';
import { ProviderError, type ProviderErrorFacts } from '../provider-error.ts';

/** A row of the table below, by name: drivers branch on these and never on texts of their own. */
export type PveRefusal = (typeof PVE_REFUSALS)[number]['refusal'];

interface Row {
  readonly refusal: string;
  readonly status?: readonly number[];
  readonly text?: RegExp;
  readonly kind: FailureKind;
  /** What an HTTP reply like this leaves behind. */
  readonly effect: Effect;
  /** What a *task* that ended like this leaves behind; most have begun by then. Default: `unknown`. */
  readonly taskEffect?: Effect;
  readonly remediation?: string;
}

/**
 * Every refusal of Proxmox VE that we tell apart, first match wins. Sources: the Perl source, as collected in
 * the project's fact sheet (§0 refusals before and inside the task, §1 statuses, §2 tasks, §3 locks, §4 QEMU,
 * §5 LXC). Nothing here was seen on a live cluster. A 500 is Proxmox's word for every plain error, so texts
 * decide and statuses come last; only 401, 403 and the proxy's 595 to 599 speak for themselves.
 */
export const PVE_REFUSALS = [
  {
    refusal: 'unauthenticated',
    status: [401],
    kind: 'unauthorized',
    effect: 'none',
    remediation: 'Check PVE_API_TOKEN: USER@REALM!TOKENID=SECRET, not expired, on this cluster.',
  },
  {
    refusal: 'forbidden',
    status: [403],
    kind: 'unauthorized',
    effect: 'none',
    remediation:
      "Grant the token's user and the token the privilege the message names, on /vms with propagation.",
  },
  { refusal: 'proxy_connect_failed', status: [595], kind: 'unreachable', effect: 'none' },
  // The proxy gave up after 30 s or lost its peer: the node may carry the request out all the same.
  { refusal: 'proxy_timed_out', status: [596], kind: 'timed_out', effect: 'unknown' },
  { refusal: 'proxy_broke_off', status: [597, 598, 599], kind: 'unreachable', effect: 'unknown' },
  {
    refusal: 'no_such_task',
    text: /no such task|unable to parse worker upid/,
    kind: 'not_found',
    effect: 'none',
  },
  // Raised after the worker was forked and let go (facts §2).
  {
    refusal: 'forked_unseen',
    text: /\.active\.lock' - got timeout/,
    kind: 'provider_error',
    effect: 'unknown',
  },
  {
    refusal: 'not_forked',
    text: /got no worker upid|unable to fork worker/,
    kind: 'provider_error',
    effect: 'none',
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
  // `VM 5 already exists` (nextid), `config file already exists`, `CT 5 already exists on node`, pmxcfs EEXIST.
  {
    refusal: 'vmid_taken',
    text: /(VM|CT) \d+ already exists|config file already exists|\.conf' failed: File exists/,
    kind: 'contention',
    effect: 'none',
    taskEffect: 'none',
  },
  {
    refusal: 'guest_missing',
    text: /[Cc]onfiguration file '.*' does not exist|unable to find configuration file/,
    kind: 'not_found',
    effect: 'none',
    taskEffect: 'none',
  },
  // The guest's flock: held for the whole of a start, stop, destroy or config change by somebody else.
  {
    refusal: 'flock_timeout',
    text: /can't lock file '.*(qemu-server\/lock-|pve-config-)\d+\.(conf|lock)' - got timeout/,
    kind: 'contention',
    effect: 'none',
  },
  {
    refusal: 'storage_lock_timeout',
    text: /pve-storage-.* - got timeout|cfs-lock 'storage-|-locked command timed out/,
    kind: 'contention',
    effect: 'none',
  },
  { refusal: 'user_config_lock_timeout', text: /file-user_cfg/, kind: 'contention', effect: 'unknown' },
  {
    refusal: 'locked',
    text: /(VM|CT) is locked \([\w-]+\)/,
    kind: 'contention',
    effect: 'none',
    taskEffect: 'none',
  },
  {
    refusal: 'already_running',
    text: /already running/,
    kind: 'wrong_state',
    effect: 'none',
    taskEffect: 'none',
  },
  // Also `VM is paused - cannot shutdown` is not among them: we never shut a VM down.
  {
    refusal: 'not_running',
    text: /(VM|CT) \d+ (is )?not running/,
    kind: 'wrong_state',
    effect: 'none',
    taskEffect: 'none',
  },
  {
    refusal: 'still_running',
    text: /is running - destroy failed|container is running/,
    kind: 'wrong_state',
    effect: 'none',
    taskEffect: 'none',
  },
  {
    refusal: 'is_template',
    text: /if it's a template/,
    kind: 'wrong_state',
    effect: 'none',
    taskEffect: 'none',
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
  },
  {
    refusal: 'ha_managed',
    text: /used in HA resources|HA managed/,
    kind: 'unsupported',
    effect: 'none',
    taskEffect: 'none',
    remediation: 'Take the guest out of HA: Proxmox cannot hibernate what HA manages.',
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
  },
  { refusal: 'no_free_vmid', text: /unable to get any free VMID/, kind: 'over_capacity', effect: 'none' },
  // A worker that was killed, or a node that was reset: nobody knows how far it came.
  {
    refusal: 'task_died',
    text: /^unexpected status|unable to get last line|interrupted by signal|received interrupt/,
    kind: 'interrupted',
    effect: 'unknown',
  },
  {
    refusal: 'boot_failed',
    text: /start failed|startup for container|QEMU exited/,
    kind: 'guest_failed',
    effect: 'unknown',
    taskEffect: 'applied',
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
    text: /guest agent is not running|(qga|qmp) command '.*' failed/,
    kind: 'wrong_state',
    effect: 'none',
  },
  {
    refusal: 'got_timeout',
    text: /got timeout|got lock request timeout/,
    kind: 'timed_out',
    effect: 'unknown',
  },
  { refusal: 'rate_limited', status: [429], kind: 'rate_limited', effect: 'none' },
  {
    refusal: 'not_implemented',
    status: [404, 501, 506],
    kind: 'invalid_request',
    effect: 'none',
    remediation: 'Check PVE_API_URL: it names a Proxmox VE host, such as https://pve.example.com:8006.',
  },
  { refusal: 'bad_parameters', status: [400], kind: 'invalid_request', effect: 'none' },
  // A text nobody has classified yet, and what a reverse proxy says: it may have happened.
  { refusal: 'other', kind: 'provider_error', effect: 'unknown' },
] as const satisfies readonly Row[];

/** Proxmox refused, or a task of its failed; `refusal` is the row of the table. */
export class PveError extends ProviderError {
  readonly refusal: PveRefusal;
  /** The task that failed; `undefined` when the request itself was refused. */
  readonly task: string | undefined;

  constructor(refusal: PveRefusal, facts: ProviderErrorFacts, task?: string) {
    super(facts);
    this.refusal = refusal;
    this.task = task;
  }
}

export interface RefusedRequest {
  readonly provider: ProviderName;
  /** For people: `POST /nodes/pve1/qemu/9000/clone`. */
  readonly what: string;
  readonly status: number;
  readonly text: string;
  /** False for reads, which leave nothing behind whatever becomes of them. */
  readonly changes: boolean;
  readonly retryAfterMs?: number;
}

export function refusedRequest(refused: RefusedRequest): PveError {
  const row = findRow(refused.text, refused.status);
  return new PveError(row.refusal, {
    kind: row.kind,
    effect: refused.changes ? row.effect : 'none',
    message: `${refused.what} was answered ${refused.status}: ${refused.text || 'no reason given'}`,
    ...(row.remediation === undefined ? {} : { remediation: row.remediation }),
    ...(refused.retryAfterMs === undefined ? {} : { retryAfterMs: refused.retryAfterMs }),
    provider: refused.provider,
  });
}

export interface FailedTask {
  readonly provider: ProviderName;
  readonly upid: string;
  readonly exitStatus: string;
}

export function failedTask(failed: FailedTask): PveError {
  const row = findRow(failed.exitStatus);
  const facts: ProviderErrorFacts = {
    kind: row.kind,
    effect: row.taskEffect ?? 'unknown',
    message: `task ${failed.upid} failed: ${failed.exitStatus}`,
    ...(row.remediation === undefined ? {} : { remediation: row.remediation }),
    provider: failed.provider,
  };
  return new PveError(row.refusal, facts, failed.upid);
}

export function isRefusal(error: unknown, ...refusals: readonly PveRefusal[]): error is PveError {
  return error instanceof PveError && refusals.includes(error.refusal);
}

function findRow(text: string, status?: number): Row & { readonly refusal: PveRefusal } {
  const rows: readonly (Row & { readonly refusal: PveRefusal })[] = PVE_REFUSALS;
  const found = rows.find(
    (row) =>
      (row.status === undefined || (status !== undefined && row.status.includes(status))) &&
      (row.text === undefined || row.text.test(text)),
  );
  if (found === undefined) throw new Error('the last row of PVE_REFUSALS matches everything');
  return found;
}
