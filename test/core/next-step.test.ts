import { describe, expect, it } from 'vitest';
import { decideNextStep, type NextStep, type NextStepInput } from '../../src/core/next-step.ts';
import { CLONE_MS, failure, HOLD_MS, input, NOW_MS, PERMIT_MS } from './next-step-case.ts';

const TO_MORPH = { step: 'fall_back', to: 'morph', condemn: false } as const;
const CONDEMN_TO_MORPH = { ...TO_MORPH, condemn: true } as const;
const giveUp = (code: string, condemn = false) => ({ step: 'give_up', code, condemn }) as NextStep;
const hold = (delayMs: number): NextStep => ({ step: 'hold', delayMs, holdFor: 'guest' });
const park = (delayMs: number): NextStep => ({ step: 'hold', delayMs, holdFor: 'permit' });
const retry = (delayMs: number, sameGuest = true): NextStep => ({ step: 'retry', delayMs, sameGuest });

type Row = readonly [string, Partial<NextStepInput> & Pick<NextStepInput, 'failure'>, NextStep];

const unknown = failure('timed_out', 'unknown');
const creating = failure('still_creating', 'applied');
const contention = failure('contention', 'none');
const unsent = { ...failure('timed_out', 'none'), neverLeft: true } as const;
const foreign = failure('foreign_guest', 'none');

describe('a start whose guest may exist', () => {
  it.each<Row>([
    ['looks again as soon as the effect is unknown', { failure: unknown }, hold(1000)],
    ['just before the hold ends', { failure: unknown, holdSinceMs: NOW_MS - HOLD_MS + 1 }, hold(1)],
    [
      'less than a look before the hold ends',
      { failure: unknown, holdSinceMs: NOW_MS - HOLD_MS + 999 },
      hold(999),
    ],
    ['exactly when the hold ends', { failure: unknown, holdSinceMs: NOW_MS - HOLD_MS }, CONDEMN_TO_MORPH],
    [
      'when the hold ends with nobody left: goes on looking, for there is nowhere to go',
      { failure: unknown, holdSinceMs: NOW_MS - HOLD_MS, remaining: [] },
      hold(1000),
    ],
    [
      'exactly at the deadline with nobody left',
      { failure: unknown, holdSinceMs: NOW_MS - HOLD_MS, remaining: [], deadlineAtMs: NOW_MS },
      giveUp('deadline_exceeded', true),
    ],
    ['just before the deadline', { failure: unknown, deadlineAtMs: NOW_MS + 1 }, hold(1000)],
    [
      'exactly at the deadline',
      { failure: unknown, deadlineAtMs: NOW_MS },
      giveUp('deadline_exceeded', true),
    ],
    [
      'just before a clone seen under way is too old',
      { failure: creating, sentAtMs: NOW_MS - CLONE_MS + 1 },
      hold(1),
    ],
    [
      'exactly when a clone seen under way is too old',
      { failure: creating, sentAtMs: NOW_MS - CLONE_MS },
      CONDEMN_TO_MORPH,
    ],
    [
      'a clone under way long after the hold would have ended',
      { failure: creating, sentAtMs: NOW_MS - HOLD_MS * 2, holdSinceMs: NOW_MS - HOLD_MS * 2 },
      hold(1000),
    ],
    [
      'a clone whose sending is not known, by the hold',
      { failure: creating, holdSinceMs: NOW_MS - CLONE_MS },
      CONDEMN_TO_MORPH,
    ],
    [
      'a guest that exists behind a lost connection',
      { failure: failure('unreachable', 'applied') },
      hold(1000),
    ],
    [
      'a guest that boots and never answers',
      { failure: failure('never_usable', 'applied') },
      CONDEMN_TO_MORPH,
    ],
    [
      'a guest whose creation failed half-way',
      { failure: failure('guest_failed', 'applied') },
      CONDEMN_TO_MORPH,
    ],
    ['a refusal after which nobody knows', { failure: failure('invalid_request', 'unknown') }, hold(1000)],
    ['with a destroy behind it', { failure: unknown, destroyWaits: true }, giveUp('superseded', true)],
  ])('%s', (_case, change, step) => {
    expect(decideNextStep(input(change))).toEqual(step);
  });
});

describe('an attempt that waits its turn', () => {
  const waiting = failure('waiting', 'none');
  it.each<Row>([
    ['parks at first', { failure: waiting }, park(2000)],
    ['just before its patience ends', { failure: waiting, holdSinceMs: NOW_MS - PERMIT_MS + 1 }, park(1)],
    ['exactly when it ends', { failure: waiting, holdSinceMs: NOW_MS - PERMIT_MS }, TO_MORPH],
    [
      'exactly when it ends with nobody left',
      { failure: waiting, holdSinceMs: NOW_MS - PERMIT_MS, remaining: [] },
      giveUp('no_provider_available'),
    ],
    [
      'a resume, exactly when it ends',
      { kind: 'resume', failure: waiting, holdSinceMs: NOW_MS - PERMIT_MS },
      giveUp('no_capacity'),
    ],
    [
      'a destroy long after that: it goes on until its deadline',
      { kind: 'destroy', failure: waiting, holdSinceMs: NOW_MS - PERMIT_MS * 2 },
      park(2000),
    ],
    ['exactly at the deadline', { failure: waiting, deadlineAtMs: NOW_MS }, giveUp('deadline_exceeded')],
    ['a start with a destroy behind it', { failure: waiting, destroyWaits: true }, giveUp('superseded')],
  ])('%s', (_case, change, step) => {
    expect(decideNextStep(input(change))).toEqual(step);
  });
});

describe('a start that left nothing', () => {
  it.each<Row>([
    ['goes on when the provider cannot be reached', { failure: failure('unreachable', 'none') }, TO_MORPH],
    ['goes on when it is full', { failure: failure('over_capacity', 'none') }, TO_MORPH],
    ['goes on when our credentials are refused', { failure: failure('unauthorized', 'none') }, TO_MORPH],
    ['goes on when the template is missing', { failure: failure('source_missing', 'none') }, TO_MORPH],
    [
      'takes the next candidate, not the last',
      { failure: failure('unreachable', 'none'), remaining: ['pve-lxc', 'morph'] },
      { ...TO_MORPH, to: 'pve-lxc' },
    ],
    [
      'gives up with nobody left',
      { failure: failure('over_capacity', 'none'), remaining: [] },
      giveUp('no_provider_available'),
    ],
    ['waits for a lock, first time', { failure: contention }, retry(500)],
    ['waits for a lock, third time', { failure: contention, triesHere: 3 }, retry(2000)],
    ['goes on after four tries at a lock', { failure: contention, triesHere: 4 }, TO_MORPH],
    ["keeps the provider's wish", { failure: failure('rate_limited', 'none', 7000) }, retry(7000)],
    [
      "keeps the provider's wish up to the cap",
      { failure: failure('rate_limited', 'none', 60_000) },
      retry(15_000),
    ],
    [
      'does not come back sooner than its own back-off',
      { failure: failure('rate_limited', 'none', 100) },
      retry(500),
    ],
    ['goes on after a fault of the provider', { failure: failure('provider_error', 'none') }, TO_MORPH],
    [
      'tries a fault of the provider again with nobody left',
      { failure: failure('provider_error', 'none'), remaining: [] },
      retry(500),
    ],
    ['goes on when its request could not leave in time', { failure: unsent }, TO_MORPH],
    [
      'sends a request that could not leave in time again with nobody left',
      { failure: unsent, remaining: [] },
      retry(500),
    ],
    [
      'gives up on a request that could not leave four times',
      { failure: unsent, remaining: [], triesHere: 4 },
      giveUp('no_provider_available'),
    ],
    [
      'gives up at once on a question that was sent and not answered, with nobody left',
      { failure: failure('timed_out', 'none'), remaining: [] },
      giveUp('no_provider_available'),
    ],
    ['carries on after a crash', { failure: failure('interrupted', 'none') }, retry(500)],
    ['takes another guest at once when the place was taken', { failure: foreign }, retry(0, false)],
    ['goes on when the fourth place was taken too', { failure: foreign, triesHere: 4 }, TO_MORPH],
    [
      'just before the deadline goes on',
      { failure: failure('unreachable', 'none'), deadlineAtMs: NOW_MS + 1 },
      TO_MORPH,
    ],
    [
      'exactly at the deadline gives up',
      { failure: failure('unreachable', 'none'), deadlineAtMs: NOW_MS },
      giveUp('deadline_exceeded'),
    ],
    [
      'retries when the retry begins just before the deadline',
      { failure: contention, deadlineAtMs: NOW_MS + 501 },
      retry(500),
    ],
    [
      'goes on when the retry would begin exactly at the deadline',
      { failure: contention, deadlineAtMs: NOW_MS + 500 },
      TO_MORPH,
    ],
    [
      'gives up when the retry would begin at the deadline and nobody is left',
      { failure: contention, deadlineAtMs: NOW_MS + 500, remaining: [] },
      giveUp('deadline_exceeded'),
    ],
    ['gives up for a destroy behind it', { failure: contention, destroyWaits: true }, giveUp('superseded')],
  ])('%s', (_case, change, step) => {
    expect(decideNextStep(input(change))).toEqual(step);
  });
});

describe('an operation on a guest that is there', () => {
  it.each<Row>([
    ['a pause tries again after a lost connection', { kind: 'pause', failure: unknown }, retry(500)],
    [
      'a pause tries again whatever failed when its effect is unknown',
      { kind: 'pause', failure: failure('wrong_state', 'unknown') },
      retry(500),
    ],
    ['a resume tries a fourth time', { kind: 'resume', failure: unknown, triesHere: 4 }, retry(4000)],
    [
      'a resume gives up after five tries',
      { kind: 'resume', failure: unknown, triesHere: 5 },
      giveUp('provider_failed'),
    ],
    ['a destroy goes on after five tries', { kind: 'destroy', failure: unknown, triesHere: 5 }, retry(8000)],
    [
      'a destroy goes on after a thousand tries, every ten minutes',
      { kind: 'destroy', failure: unknown, triesHere: 1000, deadlineAtMs: NOW_MS + 3_600_000 },
      retry(600_000),
    ],
    ['a discard goes on too', { kind: 'discard', failure: contention, triesHere: 20 }, retry(15_000)],
    [
      'a destroy retries just before its deadline',
      { kind: 'destroy', failure: unknown, deadlineAtMs: NOW_MS + 501 },
      retry(500),
    ],
    [
      'a destroy gives up when the retry would begin exactly at its deadline',
      { kind: 'destroy', failure: unknown, deadlineAtMs: NOW_MS + 500 },
      giveUp('deadline_exceeded'),
    ],
    [
      'a stuck guest is told as such',
      { kind: 'destroy', failure: failure('stuck', 'none') },
      giveUp('sandbox_stuck'),
    ],
    [
      'lost memory is told as such',
      { kind: 'resume', failure: failure('memory_lost', 'none') },
      giveUp('memory_lost'),
    ],
    [
      'a pause that cannot keep memory is told as such',
      { kind: 'pause', failure: failure('unsupported', 'none') },
      giveUp('ram_snapshot_unsupported'),
    ],
    [
      'a guest that is gone is told as such',
      { kind: 'resume', failure: failure('not_found', 'none') },
      giveUp('sandbox_lost'),
    ],
    [
      'a resume without room fails',
      { kind: 'resume', failure: failure('over_capacity', 'none') },
      giveUp('provider_failed'),
    ],
    [
      "somebody else's guest is left alone",
      { kind: 'destroy', failure: failure('foreign_guest', 'none') },
      giveUp('provider_failed'),
    ],
  ])('%s', (_case, change, step) => {
    expect(decideNextStep(input(change))).toEqual(step);
  });
});
