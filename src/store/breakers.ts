/**
 * The breakers as all processes share them. Each change is decided by `core/breaker.ts` and written only if
 * nobody changed it meanwhile, with its event, in one transaction; alerts follow.
 */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { AlertKey } from '../core/alert.ts';
import {
  afterOutcome,
  afterProbe,
  type Breaker,
  type BreakerOutcome,
  CLOSED,
  planProbe,
  planTrial,
} from '../core/breaker.ts';
import type { AlertStore } from './alerts.ts';
import { emit } from './events.ts';
import type { Keys } from './keys.ts';
import type { BeginTransaction } from './transaction.ts';

export interface Breakers {
  /** By failure domain; one that is not there is closed. */
  all(): Promise<ReadonlyMap<string, Breaker>>;
  read(failureDomain: string): Promise<Breaker>;
  record(failureDomain: string, outcome: BreakerOutcome, nowMs: number): Promise<void>;
  /** True for one process at a time, when it is time to ask the provider. */
  takeProbe(failureDomain: string, nowMs: number): Promise<boolean>;
  probed(failureDomain: string, answered: boolean, nowMs: number): Promise<void>;
  /** Whether a start that could go elsewhere may be sent: as a trial, while it is half open. */
  admit(failureDomain: string, nowMs: number): Promise<boolean>;
}

/** Others can come between only until it is open, which takes a few failures; what is lost then is one count. */
const MAX_TRIES = 20;

const opened = {
  cause: z.enum(['failures', 'quota']),
  reason: z.string(),
  openedAtMs: z.number(),
  openings: z.number(),
};
const breakerSchema = z.discriminatedUnion('state', [
  z.object({
    state: z.literal('closed'),
    failures: z.number(),
    // The first releases did not count it.
    window: z.object({ sinceMs: z.number(), failed: z.number(), usable: z.number() }).exactOptional(),
  }),
  z.object({
    state: z.literal('open'),
    ...opened,
    retryAtMs: z.number(),
    probedUntilMs: z.number().exactOptional(),
  }),
  z.object({ state: z.literal('half_open'), ...opened, sinceMs: z.number(), trials: z.number() }),
]);

export function parseBreaker(text: string | null | undefined): Breaker {
  return text ? breakerSchema.parse(JSON.parse(text)) : CLOSED;
}

export interface BreakersDeps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly begin: BeginTransaction;
  readonly alerts: AlertStore;
}

export function createBreakers({ redis, keys, begin, alerts }: BreakersDeps): Breakers {
  /** `decide` may run several times; its last answer is the one that was written. */
  async function change<T>(
    failureDomain: string,
    nowMs: number,
    decide: (breaker: Breaker) => { readonly breaker: Breaker; readonly answer: T },
    otherwise: T,
  ): Promise<T> {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const stored = (await redis.hget(keys.breakers, failureDomain)) ?? '';
      const before = parseBreaker(stored);
      const { breaker: after, answer } = decide(before);
      const isUntouched = after.state === 'closed' && after.failures === 0 && after.window === undefined;
      const text = isUntouched ? '' : JSON.stringify(after);
      if (text === stored) return answer;
      const transaction = begin()
        .guardField(keys.breakers, failureDomain, stored)
        .setFields(keys.breakers, { [failureDomain]: text === '' ? null : text });
      if (after.state === 'open' && before.state !== 'open') {
        const { reason, retryAtMs } = after;
        emit(transaction, keys, 'breaker.opened', nowMs, { failureDomain, reason, retryAtMs });
      }
      if (after.state === 'closed' && before.state !== 'closed') {
        emit(transaction, keys, 'breaker.closed', nowMs, { failureDomain });
      }
      if ((await transaction.commit()).ok) {
        await tellOf(failureDomain, before, after, nowMs);
        return answer;
      }
    }
    return otherwise;
  }

  async function tellOf(failureDomain: string, before: Breaker, after: Breaker, nowMs: number) {
    if (after.state === 'open' && before.state !== 'open') {
      const [alert, remediation] = ADVICE[after.cause];
      const message = `${failureDomain}: ${after.reason}`;
      await alerts.raise({ name: alert, subject: failureDomain, message, remediation }, nowMs);
    }
    if (after.state === 'closed' && before.state !== 'closed') {
      for (const [name] of Object.values(ADVICE)) await alerts.clear({ name, subject: failureDomain }, nowMs);
    }
  }

  return {
    async all() {
      const stored = await redis.hgetall(keys.breakers);
      return new Map(Object.entries(stored).map(([domain, text]) => [domain, parseBreaker(text)]));
    },
    async read(failureDomain) {
      return parseBreaker(await redis.hget(keys.breakers, failureDomain));
    },
    record: (failureDomain, outcome, nowMs) =>
      change(
        failureDomain,
        nowMs,
        (breaker) => ({ breaker: afterOutcome(breaker, outcome, nowMs), answer: undefined }),
        undefined,
      ),
    takeProbe: (failureDomain, nowMs) =>
      change(
        failureDomain,
        nowMs,
        (breaker) => {
          const taken = planProbe(breaker, nowMs);
          return { breaker: taken ?? breaker, answer: taken !== undefined };
        },
        false,
      ),
    probed: (failureDomain, answered, nowMs) =>
      change(
        failureDomain,
        nowMs,
        (breaker) => ({ breaker: afterProbe(breaker, answered, nowMs), answer: undefined }),
        undefined,
      ),
    admit: (failureDomain, nowMs) =>
      change(
        failureDomain,
        nowMs,
        (stored) => {
          const { admitted, breaker } = planTrial(stored, nowMs);
          return { breaker, answer: admitted };
        },
        false,
      ),
  };
}

const ADVICE = {
  failures: ['breaker.opened', 'See that the provider answers and that a guest of it becomes usable.'],
  quota: ['quota.exhausted', 'Add credits or raise the plan at the provider.'],
} as const satisfies Record<string, readonly [AlertKey['name'], string]>;
