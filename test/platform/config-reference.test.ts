/** docs/configuration.md: made from what people wrote in .env.example and from the code that reads settings. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readReference, referenceAsMarkdown } from '../../src/platform/config-reference.ts';
import { SETTINGS } from '../../src/platform/config-schema.ts';

const groups = readReference(readFileSync('.env.example', 'utf8'));
const settings = groups.flatMap((group) => group.settings);

it('docs/configuration.md is in step: npm run docs:config', () => {
  expect(readFileSync('docs/configuration.md', 'utf8')).toBe(`${referenceAsMarkdown(groups)}\n`);
});

it('every setting is there once, in a group, with what it means', () => {
  expect(settings.map(({ name }) => name).sort()).toEqual([...SETTINGS].sort());
  expect(settings.filter(({ meaning }) => meaning === '').map(({ name }) => name)).toEqual([]);
  expect(groups.every(({ title }) => title !== '')).toBe(true);
});

describe('what is refused comes from the code', () => {
  it.each([
    ['WORKER_CONCURRENCY', 'what is no whole number from 1 to 1000'],
    ['SANDBOX_PRIMARY_PROVIDER', 'what no provider is called'],
    ['SANDBOX_ROLLOUT_KEY', 'what is none of sandbox, user, team'],
    ['PVE_API_URL', 'what is no https address'],
    ['PVE_CA_FILE', 'a file that cannot be read'],
    ['MORPH_API_KEY', 'what holds a space or a line break'],
    ['DEPLOYMENT', 'all but a-z, 0-9 and inner hyphens, at most 32 characters'],
    ['DATA_DIR', undefined],
  ])('%s: %s', (name, refused) => {
    expect(settings.find((setting) => setting.name === name)?.refused).toBe(refused);
  });

  it.each([
    ['PORT', '8787'],
    ['PVE_VMID_RANGE', '20000-29999'],
    ['MORPH_API_KEY', undefined],
  ])('the default of %s is %s', (name, value) => {
    expect(settings.find((setting) => setting.name === name)?.default).toBe(value);
  });
});
