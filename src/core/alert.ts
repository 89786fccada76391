/**
 * What the system tells an operator of by itself: something that goes on only when a person does something, or
 * that costs money until then. An alert is raised once for each thing that is wrong and stays until it is seen
 * to be right again. Each name has its entry in `docs/runbook.md`.
 */
export const ALERTS = {
  'budget.crossed': 'A threshold of a budget is reached this month.',
  'breaker.opened': 'A provider fails starts; new ones go elsewhere until one works again.',
  'provider.unauthorized': 'A provider refuses our credentials, or they lack a permission.',
  'quota.exhausted': 'A provider takes no new guests until somebody pays.',
  'redis.memory': 'Redis is nearly full: no new sandbox is taken in.',
  'redis.policy': 'Redis evicts keys when its memory runs out.',
  'source.missing': 'A preset names a template or a snapshot that is not at the provider.',
  'guests.drifted': 'Somebody changed the name or the marker of a guest.',
  'guests.stuck': 'A guest is locked, and only a person at the provider can free it.',
  'guests.unowned': 'Guests of ours exist that no record answers for; they are left alone, and cost money.',
  'registry.incomplete': 'Guests of ours tell of more than the registry knows: adopt-only mode.',
  'registry.restored':
    'The registry was restored or long alone: sandboxes are watched before anything automatic happens.',
  'sandboxes.lost': 'More sandboxes than plausible are missing at a provider; none of them was called lost.',
  'settings.differ': 'Processes of the deployment run with different settings; those of one of them count.',
  'starts.fell_back': 'Most starts end up elsewhere than they were meant to.',
  'billing.differs': 'A provider charged another amount than the ledger knows of.',
  'ledger.unwritable': 'The ledger cannot be written to its folder; it waits in Redis.',
  'ledger.behind':
    'The ledger in Redis knows less than its files: Redis was emptied, or an old dump is in its place.',
  'ledger.unreadable': 'A part of the ledger cannot be read: it is kept, and in no amount.',
  'idle.held_back': 'IDLE_MODE=enforce acts as shadow, because suspensions have yet to prove themselves.',
  'template.locked': 'A template has been locked for too long and is left out of the rotation.',
} as const satisfies Readonly<Record<string, string>>;

export type AlertName = keyof typeof ALERTS;

export const ALERT_NAMES = Object.keys(ALERTS) as readonly AlertName[];

/** One thing that is wrong: a name, and what it is about, such as a provider, a template or a sandbox. */
export interface AlertKey {
  readonly name: AlertName;
  readonly subject: string;
}

export interface Alert extends AlertKey {
  readonly message: string;
  /** What to do: a sentence, or the exact command. */
  readonly remediation?: string;
}

export interface ActiveAlert extends Alert {
  /** Unix time, ms. */
  readonly sinceMs: number;
}

/** Both may be called again and again: only the first call of each makes a difference. */
export interface AlertSink {
  raise(alert: Alert): Promise<void>;
  clear(key: AlertKey): Promise<void>;
}
