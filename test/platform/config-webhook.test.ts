import { expect, it } from 'vitest';
import { loadConfig, redacted } from '../../src/platform/config.ts';
import { complaints } from './config-case.ts';

const URL = 'https://example.convex.site/lifecycle/?token=hidden';
const SECRET = 'whsec_ZXhhbXBsZSBvbmx5OiBtYWtlIG9uZSBvZiB5b3VyIG93bg==';
const PREVIOUS = 'the-one-before-it-0123456789abcdef';

it('the webhook is off unless an address is given', () => {
  expect(loadConfig({})).not.toHaveProperty('webhook');
});

it('the address is kept as it is, and both secrets sign while one replaces the other', () => {
  const one = { LIFECYCLE_WEBHOOK_URL: URL, LIFECYCLE_WEBHOOK_SECRET: SECRET };
  expect(loadConfig(one).webhook).toEqual({ url: URL, secrets: [SECRET] });
  const two = { ...one, LIFECYCLE_WEBHOOK_SECRET_PREVIOUS: PREVIOUS };
  expect(loadConfig(two).webhook?.secrets).toEqual([SECRET, PREVIOUS]);
});

it('neither its secrets nor what its address holds are printed', () => {
  const config = loadConfig({ LIFECYCLE_WEBHOOK_URL: URL, LIFECYCLE_WEBHOOK_SECRET: SECRET });
  const text = JSON.stringify(redacted(config));
  expect(text).toContain('https://example.convex.site/lifecycle/');
  expect(text).not.toMatch(/hidden|whsec/);
});

it.each<[string, Record<string, string>, string[]]>([
  ['an address without a secret', { LIFECYCLE_WEBHOOK_URL: URL }, ['LIFECYCLE_WEBHOOK_SECRET']],
  ['a secret without an address', { LIFECYCLE_WEBHOOK_SECRET: SECRET }, ['LIFECYCLE_WEBHOOK_URL']],
  [
    'only the previous secret',
    { LIFECYCLE_WEBHOOK_URL: URL, LIFECYCLE_WEBHOOK_SECRET_PREVIOUS: PREVIOUS },
    ['LIFECYCLE_WEBHOOK_SECRET'],
  ],
  [
    'http to elsewhere',
    { LIFECYCLE_WEBHOOK_URL: 'http://example.com/hook', LIFECYCLE_WEBHOOK_SECRET: SECRET },
    ['LIFECYCLE_WEBHOOK_URL'],
  ],
  [
    'a short secret',
    { LIFECYCLE_WEBHOOK_URL: URL, LIFECYCLE_WEBHOOK_SECRET: 'secret' },
    ['LIFECYCLE_WEBHOOK_SECRET'],
  ],
])('%s is refused', (_title, variables, settings) => {
  expect(complaints(variables)).toEqual(settings);
});

it('http is fine on this machine', () => {
  const url = 'http://127.0.0.1:3000/hook';
  const config = loadConfig({ LIFECYCLE_WEBHOOK_URL: url, LIFECYCLE_WEBHOOK_SECRET: SECRET });
  expect(config.webhook?.url).toBe(url);
});
