/**
 * Every Redis key of one deployment. All share the hash tag `{<deployment>}`, BullMQ's too (its `prefix` is
 * `tag`), so that one script sees them all and Redis Cluster keeps them on one node.
 *
 * | family | holds | kept | bytes per item (about) |
 * |---|---|---|---|
 * | sandbox | one sandbox record, with the lease of its claim | 7 days after it ended | 1,500 |
 * | sandbox:…:pending | ids of unsettled operations, in the order they run | until settled | 40 each |
 * | operation | one operation with its attempts | 7 days after it settled | 1,500 |
 * | guest | one guest record, with the lease of a discard's claim | 30 days after it was gone | 1,200 |
 * | sandbox:…:history | what happened to one sandbox, the last 100 events | 30 days after the last one | 150 each |
 * | idempotency | key of a caller → operation, or the refusal it got | 7 days | 300 |
 * | reply | a script's first answer, for a resend by the Redis client | 60 s | 200 |
 * | sandboxes:current, :ended | sandbox ids by creation / by end | with the record | 60 |
 * | operations:recent | operation ids by creation | 8 days | 60 |
 * | operations:due | operation ids by when rescue is to look | until settled | 60 |
 * | guests:condemned | guest ids by when discard is to look | until gone | 60 |
 * | guests:unowned | guest ids that nobody answers for, by when they were found | until gone | 60 |
 * | guests:foreign, :read | what reconciliation looked at and need not read again soon | 15 min; for ever, one field per provider | 60 |
 * | guests:of | the inventory of one provider: ids of guests not gone, by when they were recorded | until gone | 60 |
 * | native | guest id or provider's own id → sandbox id | with the record | 100 |
 * | events | the event log (a stream) | the newest 100,000 | 250 |
 * | vmids | VMID pool of one failure domain | for ever, one item per held id | 100 |
 * | permits | who holds and who waits for one scarce thing | while held or waited for | 150 |
 * | capacity | memory reserved per guest of one failure domain | while the guest runs | 80 |
 * | sandboxes:counts | how many current sandboxes per state and provider | for ever, some dozens | 30 |
 * | measures | counts and durations behind the metrics | for ever, some hundreds | 60 |
 * | webhook:outbox | transitions of one sandbox not yet delivered (none without a webhook) | 24 h | 1,500 |
 * | webhook:due, :tries | per sandbox: when to look, how often it failed | while it has an outbox | 200 |
 * | webhook:dead, :index | deliveries given up | the newest 1,000 | 2,000 |
 * | webhook:totals | backlog and counts of deliveries | for ever, one | 100 |
 * | healing | where the repair of indexes is in its round | for ever, one | 60 |
 * | brake | ids that count against the bound on automatic destruction, and on guests found lost | an hour | 60 |
 * | sandboxes:unobserved | sandbox ids yet to be asked for after a restored dump | until asked for | 60 |
 * | installs:own | ids of installations that a rebuild took over | for ever, a few | 20 |
 * | providers, deployment | what workers publish | for ever, a handful | 500 |
 * | settings:announced | process → digests of its settings, and when it last announced them | until it was silent for a minute | 400 |
 * | breakers | failure domain → its breaker, while it counts failures or is open | for ever, a handful | 300 |
 * | starts | starts that succeeded, per five minutes, and how many fell back | 24 h | 100 |
 * | alerts | what an operator is told of: name and subject → when and why | while it lasts, at most 1,000 | 400 |
 * | access:tokens, :names | digest of a token → who it is, name → digest | until revoked | 250 |
 * | access:session, :code | digest of a cookie or login code → digest of its token | 12 h, 24 h | 150 |
 * | access:count | requests of a token, failed logins of an address | its window, minutes | 100 |
 * | sweeps | which sweeps there are, which are paused, what each last did | for ever, a dozen | 300 |
 * | sweeps:runs | what one sweep did, newest first | the newest 24 | 250 |
 * | idle:watch | what the last look at one sandbox found | 30 days after it | 250 |
 * | idle:upcoming | sandbox ids by when they will be suspended | while they run | 60 |
 * | idle:days | suspensions, what they saved, and regrets, per day | 35 days | 200 |
 * | idle:gate | what the gate to `enforce` last said | for ever, one | 300 |
 * | guests:renew | running guests whose provider has a TTL of its own, by when it is to be renewed | while they run | 60 |
 * | expiry:due, retention:due | sandbox ids by when their time to live, their retention is to be looked at | until ended, while paused | 60 |
 * | retention:watch | since when one sandbox is due for destruction | 3 days | 100 |
 * | activity | what is known of one sandbox's use | 7 days after it ended | 600 |
 * | idle:due | running sandboxes by when their idleness is looked at | while it runs | 60 |
 * | ledger:open | guest id → its open interval | while the guest is there | 300 |
 * | ledger:journal | closed intervals that are not yet in the files and the days' tables | until the next flush | 300 |
 * | ledger:day:…:usage | one day's time by provider, team, user, preset, size, state and what a start fell back from (`meant-for.ts`) | 13 months | 150 |
 * | ledger:day:…:guests, :accounts, :pieces | one day's time by guest, whose it was, and the intervals themselves | 45 days | 60, 250, 45 |
 * | ledger:unreadable | closed intervals that no process can read, until they are in the folder; the newest 10,000 | for ever | 300 |
 * | ledger:versions | day → how often its tables changed | for ever, one a day | 20 |
 * | ledger:billed | provider and day → what it charged and what the ledger says | 13 months | 200 |
 * | ledger:origin | which ledger this Redis holds, how many flushes it had, and whether the folder's note of what is open was refused | for ever | 150 |
 * | ledger:writer | who moves the journal into files and tables now | a minute | 60 |
 * | budgets | spent and reserved by budget, as of the last tally and with what was reserved since | for ever, a handful | 100 |
 * | budgets:reservations | start → what it holds in which budgets | until it failed, or an hour after it succeeded | 120 |
 * | cost-lines | other lines of the bill, as they were told | 13 months, at most 10,000 | 120 |
 * | savings | day → what it cost, and would have under other policies | 13 months | 350 |
 * | audit | who changed what, from where (a stream) | the newest 10,000 | 250 |
 */
import type { ProviderName } from '../core/provider-name.ts';
import { createLedgerKeys, type LedgerKeys } from './ledger-keys.ts';

export interface Keys {
  readonly tag: string;
  sandbox(id: string): string;
  operation(id: string): string;
  guest(id: string): string;
  /** Unsettled operations of a subject: a sandbox, or the guest of a `discard`. */
  pending(subjectKey: string): string;
  /** What happened to a sandbox, oldest first. */
  history(sandboxId: string): string;
  idempotency(digest: string): string;
  reply(transactionId: string): string;
  /** A guest's or a provider's own id, as callers know it. */
  native(id: string): string;
  vmids(failureDomain: string): VmidKeys;
  permits(name: string): PermitKeys;
  /** Memory that our guests are entitled to: guest id → node, VMID, MiB. */
  capacity(failureDomain: string): string;
  readonly webhook: WebhookKeys;
  readonly sandboxesCurrent: string;
  readonly sandboxesEnded: string;
  /** `state|provider` → how many current sandboxes. */
  readonly sandboxesCounts: string;
  /** See `core/measures.ts`. */
  readonly measures: string;
  readonly operationsRecent: string;
  readonly operationsDue: string;
  readonly guestsCondemned: string;
  /** Guests of ours that nobody answers for, by when they were found. */
  readonly guestsUnowned: string;
  /** Somebody else's guests, by when they were looked at. */
  guestsForeign(provider: ProviderName): string;
  /** Provider → the guest whose marker was read last. */
  readonly guestsRead: string;
  /** Every guest of a provider that is not gone. */
  guestsOf(provider: ProviderName): string;
  /** Where the repair of indexes is in its round. */
  readonly healing: string;
  /** Who was destroyed, or found lost, by the system itself within the last hour. */
  brake(name: 'destroyed' | 'lost', provider: ProviderName): string;
  /** Sandboxes to be asked for after a restored dump, by when. */
  readonly sandboxesUnobserved: string;
  /** Installations besides the current one whose guests are ours. */
  readonly ownInstalls: string;
  readonly events: string;
  /** Pub/sub channel: ids of operations that settled. A hint only; the record is the truth. */
  readonly settlements: string;
  readonly providers: string;
  readonly deployment: string;
  /** Process → what it announced of its settings. */
  readonly settingsAnnounced: string;
  /** Starts of one slice of time. */
  startCounts(slice: number): string;
  /** Failure domain → its breaker. */
  readonly breakers: string;
  /** `name|subject` → the alert that is raised. */
  readonly alerts: string;
  readonly access: AccessKeys;
  readonly audit: string;
  readonly sweeps: SweepKeys;
  /** What is known of a sandbox's use. */
  activity(sandboxId: string): string;
  readonly idleDue: string;
  readonly ledger: LedgerKeys;
  readonly idle: IdleKeys;
  readonly guestsRenew: string;
  readonly expiryDue: string;
  readonly retentionDue: string;
  retentionWatch(sandboxId: string): string;
  readonly budgets: BudgetKeys;
  /** Day → actual cost and cost under other policies. */
  readonly savings: string;
  /** Id → metered line of the bill. */
  readonly costLines: string;
}

export interface BudgetKeys {
  readonly use: string;
  readonly reservations: string;
}

export interface SweepKeys {
  /** Name → what its workers announced. */
  readonly known: string;
  readonly paused: string;
  readonly last: string;
  runs(name: string): string;
}

/** Only digests are kept: nobody who reads Redis can log in with what is found there. */
export interface AccessKeys {
  readonly tokens: string;
  readonly names: string;
  /** There once the first admin token was made, for ever: it is made once per deployment. */
  readonly firstStart: string;
  session(digest: string): string;
  code(digest: string): string;
  count(what: string): string;
}

export interface IdleKeys {
  watch(sandboxId: string): string;
  /** `YYYY-MM-DD`, UTC. */
  day(day: string): string;
  readonly upcoming: string;
  readonly gate: string;
}

export interface WebhookKeys {
  /** Oldest first. */
  outbox(sandboxId: string): string;
  readonly due: string;
  readonly tries: string;
  readonly totals: string;
  readonly dead: string;
  readonly deadIndex: string;
  /** Pub/sub channel: ids of sandboxes that got an entry. A hint only. */
  readonly hints: string;
}

export interface VmidKeys {
  readonly cursor: string;
  readonly holders: string;
  readonly byGuest: string;
  readonly cooling: string;
}

export interface PermitKeys {
  readonly holders: string;
  readonly waiters: string;
  readonly seen: string;
  readonly notes: string;
}

/** How long settled and ended records stay readable: the life of an idempotency key, so that it can answer. */
export const RETENTION_MS = 7 * 24 * 60 * 60 * 1000;
/** Gone guests stay longer: their cost is asked for by month. */
export const GUEST_RETENTION_MS = 30 * 24 * 60 * 60 * 1000;
/** An operation lives for at most a day, and is kept for RETENTION_MS after. */
export const OPERATIONS_RECENT_MS = 8 * 24 * 60 * 60 * 1000;
/** Enough for every sandbox a person asks about; at most some 15 kB each. */
export const HISTORY_MAX_LENGTH = 100;
/** An untouched sandbox keeps its state and its cause; only the lines before go. */
export const HISTORY_RETENTION_MS = 30 * 24 * 60 * 60 * 1000;
/** Longer than the Redis client's retries of one command can last. */
export const REPLY_RETENTION_MS = 60_000;
/** About 25 MB; a reader that was away longer gets a reset. */
export const EVENTS_MAX_LENGTH = 100_000;
/** About 150 MB, which an hour of a dead receiver at ten operations a second fills; more is dropped and counted. */
export const WEBHOOK_MAX_BACKLOG = 100_000;
/** What people read and retry; older ones are taken away. */
export const WEBHOOK_MAX_DEAD = 1_000;
/** About 2.5 MB, months of a busy team's clicks; older entries belong into whatever collects the logs. */
export const AUDIT_MAX_LENGTH = 10_000;
/** The longest window in which the share of starts that fell back is looked at. */
export const START_COUNTS_RETENTION_MS = 24 * 60 * 60 * 1000;
/** More than anybody reads: when as much as this is wrong at once, one more line says nothing new. */
export const MAX_ALERTS = 1_000;
/** The outbox of the webhook that holds what is told of alerts, in the place of a sandbox's id. */
export const ALERTS_OUTBOX = 'alerts';

export function createKeys(deployment: string): Keys {
  const tag = `{${deployment}}`;
  return {
    tag,
    sandbox: (id) => `${tag}:sandbox:${id}`,
    operation: (id) => `${tag}:operation:${id}`,
    guest: (id) => `${tag}:guest:${id}`,
    pending: (subjectKey) => `${subjectKey}:pending`,
    history: (sandboxId) => `${tag}:sandbox:${sandboxId}:history`,
    idempotency: (digest) => `${tag}:idempotency:${digest}`,
    reply: (transactionId) => `${tag}:reply:${transactionId}`,
    native: (id) => `${tag}:native:${id}`,
    vmids: (failureDomain) => {
      const pool = `${tag}:vmids:${failureDomain}`;
      return {
        cursor: `${pool}:cursor`,
        holders: `${pool}:holders`,
        byGuest: `${pool}:by-guest`,
        cooling: `${pool}:cooling`,
      };
    },
    permits: (name) => {
      const permit = `${tag}:permits:${name}`;
      return {
        holders: `${permit}:holders`,
        waiters: `${permit}:waiters`,
        seen: `${permit}:seen`,
        notes: `${permit}:notes`,
      };
    },
    capacity: (failureDomain) => `${tag}:capacity:${failureDomain}`,
    sandboxesCurrent: `${tag}:sandboxes:current`,
    sandboxesEnded: `${tag}:sandboxes:ended`,
    sandboxesCounts: `${tag}:sandboxes:counts`,
    measures: `${tag}:measures`,
    webhook: createWebhookKeys(`${tag}:webhook`),
    operationsRecent: `${tag}:operations:recent`,
    operationsDue: `${tag}:operations:due`,
    guestsCondemned: `${tag}:guests:condemned`,
    guestsUnowned: `${tag}:guests:unowned`,
    guestsForeign: (provider) => `${tag}:guests:foreign:${provider}`,
    guestsRead: `${tag}:guests:read`,
    guestsOf: (provider) => `${tag}:guests:of:${provider}`,
    healing: `${tag}:healing`,
    brake: (name, provider) => `${tag}:brake:${name}:${provider}`,
    sandboxesUnobserved: `${tag}:sandboxes:unobserved`,
    ownInstalls: `${tag}:installs:own`,
    events: `${tag}:events`,
    settlements: `${tag}:settlements`,
    providers: `${tag}:providers`,
    deployment: `${tag}:deployment`,
    settingsAnnounced: `${tag}:settings:announced`,
    startCounts: (slice) => `${tag}:starts:${slice}`,
    breakers: `${tag}:breakers`,
    alerts: `${tag}:alerts`,
    access: createAccessKeys(`${tag}:access`),
    audit: `${tag}:audit`,
    activity: (sandboxId) => `${tag}:activity:${sandboxId}`,
    idleDue: `${tag}:idle:due`,
    idle: {
      watch: (sandboxId) => `${tag}:idle:watch:${sandboxId}`,
      day: (day) => `${tag}:idle:days:${day}`,
      upcoming: `${tag}:idle:upcoming`,
      gate: `${tag}:idle:gate`,
    },
    guestsRenew: `${tag}:guests:renew`,
    expiryDue: `${tag}:expiry:due`,
    retentionDue: `${tag}:retention:due`,
    retentionWatch: (sandboxId) => `${tag}:retention:watch:${sandboxId}`,
    sweeps: createSweepKeys(`${tag}:sweeps`),
    ledger: createLedgerKeys(`${tag}:ledger`),
    savings: `${tag}:savings`,
    costLines: `${tag}:cost-lines`,
    budgets: { use: `${tag}:budgets`, reservations: `${tag}:budgets:reservations` },
  };
}

function createSweepKeys(sweeps: string): SweepKeys {
  return {
    known: `${sweeps}`,
    paused: `${sweeps}:paused`,
    last: `${sweeps}:last`,
    runs: (name) => `${sweeps}:runs:${name}`,
  };
}

/** What `scripts/record-transition.lua` touches, in its order. */
export function transitionKeys(keys: Keys, sandboxId: string): readonly string[] {
  const { webhook } = keys;
  return [
    keys.sandbox(sandboxId),
    keys.events,
    keys.deployment,
    keys.sandboxesCounts,
    webhook.outbox(sandboxId),
    webhook.due,
    webhook.totals,
    webhook.hints,
    keys.history(sandboxId),
    keys.activity(sandboxId),
    keys.idleDue,
    keys.idle.upcoming,
    keys.expiryDue,
    keys.retentionDue,
  ];
}

/** The bounds that the same script keeps, in its order. */
export function transitionFacts(): readonly number[] {
  return [EVENTS_MAX_LENGTH, WEBHOOK_MAX_BACKLOG, HISTORY_MAX_LENGTH, HISTORY_RETENTION_MS, RETENTION_MS];
}

function createWebhookKeys(webhook: string): WebhookKeys {
  return {
    outbox: (sandboxId) => `${webhook}:outbox:${sandboxId}`,
    due: `${webhook}:due`,
    tries: `${webhook}:tries`,
    totals: `${webhook}:totals`,
    dead: `${webhook}:dead`,
    deadIndex: `${webhook}:dead:index`,
    hints: `${webhook}:hints`,
  };
}

function createAccessKeys(access: string): AccessKeys {
  return {
    tokens: `${access}:tokens`,
    names: `${access}:names`,
    firstStart: `${access}:first-start`,
    session: (digest) => `${access}:session:${digest}`,
    code: (digest) => `${access}:code:${digest}`,
    count: (what) => `${access}:count:${what}`,
  };
}
