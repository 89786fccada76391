import { expect, it } from 'vitest';
import { type AfterDeliveryInput, decideAfterDelivery, GIVE_UP_AFTER_MS } from '../../src/core/webhook.ts';

const down = { kind: 'unanswered', problem: 'the receiver cannot be reached (ECONNREFUSED)' } as const;
const answered = (status: number, retryAfterMs?: number) =>
  ({ kind: 'answered', status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }) as const;

it.each<[string, AfterDeliveryInput, object]>([
  ['settles on 200', { answer: answered(200), tries: 1, ageMs: 0 }, { step: 'settle' }],
  ['settles on 299', { answer: answered(299), tries: 1, ageMs: 0 }, { step: 'settle' }],
  [
    'settles an event that is days old',
    { answer: answered(204), tries: 90, ageMs: 9 * GIVE_UP_AFTER_MS },
    { step: 'settle' },
  ],
  [
    'tries again after a second when nobody answers',
    { answer: down, tries: 1, ageMs: 0 },
    { step: 'retry', delayMs: 1_000, reason: down.problem },
  ],
  [
    'doubles the wait with each try',
    { answer: answered(500), tries: 5, ageMs: 0 },
    { step: 'retry', delayMs: 16_000 },
  ],
  [
    'never waits longer than ten minutes by itself',
    { answer: answered(500), tries: 400, ageMs: 0 },
    { step: 'retry', delayMs: 600_000 },
  ],
  [
    'does not follow a redirect',
    { answer: answered(302), tries: 1, ageMs: 0 },
    { step: 'retry', reason: 'the receiver answered 302' },
  ],
  [
    'tries again after 401: secrets are being rotated',
    { answer: answered(401), tries: 1, ageMs: 0 },
    { step: 'retry' },
  ],
  [
    'waits as long as the receiver asks',
    { answer: answered(503, 120_000), tries: 1, ageMs: 0 },
    { step: 'retry', delayMs: 120_000 },
  ],
  [
    'waits an hour at most however long it asks',
    { answer: answered(429, 999_999_000), tries: 1, ageMs: 0 },
    { step: 'retry', delayMs: 3_600_000 },
  ],
  [
    'gives up at once on 410',
    { answer: answered(410), tries: 1, ageMs: 0 },
    { step: 'give_up', reason: 'the receiver answered 410' },
  ],
  [
    'has its last try exactly when the time is over',
    { answer: down, tries: 100, ageMs: GIVE_UP_AFTER_MS - 5 },
    { step: 'retry', delayMs: 5 },
  ],
  [
    'gives up once 24 hours are over',
    { answer: down, tries: 100, ageMs: GIVE_UP_AFTER_MS },
    { step: 'give_up', reason: `${down.problem}; it was tried for 24 hours` },
  ],
])('%s', (_title, input, expected) => {
  expect(decideAfterDelivery(input)).toMatchObject(expected);
});
