/** Alerts as every process of the deployment sees them: what is wrong now, each thing once. */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { type ActiveAlert, ALERTS, type Alert, type AlertKey, type AlertName } from '../core/alert.ts';
import { ALERTS_OUTBOX, EVENTS_MAX_LENGTH, type Keys, MAX_ALERTS, WEBHOOK_MAX_BACKLOG } from './keys.ts';
import type { Scripts } from './scripts.ts';

export interface AlertStore {
  /**
   * Once per name and subject, by whichever process is first: an event, a delivery of the webhook and a line in
   * the log. Raised again it only gets the newer message. True when it is new.
   */
  raise(alert: Alert, nowMs: number): Promise<boolean>;
  /** True when it was there. */
  clear(key: AlertKey, nowMs: number): Promise<boolean>;
  /** Asks first which of them there are: for whoever is to clear what most likely is not there. */
  clearAll(keys: readonly AlertKey[], nowMs: number): Promise<void>;
  /** Oldest first. */
  active(): Promise<readonly ActiveAlert[]>;
}

export type OnAlert = (change: 'raised' | 'cleared', alert: Alert) => void;

export interface AlertStoreDeps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly scripts: Scripts;
  readonly onAlert: OnAlert;
}

export const alertSchema = z.object({
  name: z.custom<AlertName>((name) => typeof name === 'string' && Object.hasOwn(ALERTS, name)),
  subject: z.string(),
  message: z.string(),
  remediation: z.string().exactOptional(),
  sinceMs: z.number(),
});

export function createAlertStore({ redis, keys, scripts, onAlert }: AlertStoreDeps): AlertStore {
  const { webhook } = keys;
  const scriptKeys = [
    keys.alerts,
    keys.events,
    keys.deployment,
    webhook.outbox(ALERTS_OUTBOX),
    webhook.due,
    webhook.totals,
    webhook.hints,
  ];

  async function record(verb: 'raise' | 'clear', alert: Alert, nowMs: number): Promise<boolean> {
    const { name, subject, message, remediation = '' } = alert;
    const reply = await scripts.run('record-alert', scriptKeys, [
      ...[verb, name, subject, nowMs, randomUUID(), message, remediation],
      ...[EVENTS_MAX_LENGTH, WEBHOOK_MAX_BACKLOG, MAX_ALERTS],
    ]);
    if (reply !== 'raised' && reply !== 'cleared') return false;
    onAlert(reply, alert);
    return true;
  }

  const clear = (key: AlertKey, nowMs: number) =>
    record('clear', { ...key, message: ALERTS[key.name] }, nowMs);

  return {
    raise: (alert, nowMs) => record('raise', alert, nowMs),
    clear,
    async clearAll(alertKeys, nowMs) {
      const fields = alertKeys.map(({ name, subject }) => `${name}|${subject}`);
      const found = await redis.hmget(keys.alerts, ...fields);
      for (const [index, key] of alertKeys.entries()) {
        if (found[index] != null) await clear(key, nowMs);
      }
    },
    async active() {
      const stored = await redis.hvals(keys.alerts);
      // One that a newer release raised has a name that is unknown here: its own processes show it.
      const alerts = stored.flatMap((text) => alertSchema.safeParse(JSON.parse(text)).data ?? []);
      return alerts.sort((a, b) => a.sinceMs - b.sinceMs || a.subject.localeCompare(b.subject));
    },
  };
}
