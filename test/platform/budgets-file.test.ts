import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadConfig } from '../../src/platform/config.ts';
import { isConfigError } from '../../src/platform/config-error.ts';

const folder = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-budgets-'));
const file = join(folder, 'budgets.json');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function load(content: unknown) {
  writeFileSync(file, JSON.stringify(content));
  return loadConfig({ BUDGETS_FILE: file }).budgets;
}

test('budgets of the deployment, a team and a provider are read, in micro-dollars', () => {
  const budgets = load([
    { name: 'everything', scope: 'deployment', monthlyUsd: 300 },
    { name: 'team-a', scope: { team: 'a' }, monthlyUsd: 49.5, atLimit: 'stop_admitting' },
    { name: 'morph', scope: { provider: 'morph' }, monthlyUsd: 50, atLimit: 'route_away' },
  ]);
  expect(budgets).toEqual([
    { name: 'everything', scope: { of: 'deployment' }, monthlyMicroUsd: 300_000_000, atLimit: 'alert' },
    {
      name: 'team-a',
      scope: { of: 'team', teamId: 'a' },
      monthlyMicroUsd: 49_500_000,
      atLimit: 'stop_admitting',
    },
    {
      name: 'morph',
      scope: { of: 'provider', provider: 'morph' },
      monthlyMicroUsd: 50_000_000,
      atLimit: 'route_away',
    },
  ]);
});

test('everything that is wrong in the file is told at once, each with its place', () => {
  try {
    load([
      { name: 'a', scope: 'everybody', monthlyUsd: 10 },
      { name: 'b', scope: 'deployment', monthlyUsd: -1, atLimit: 'kill' },
      { name: 'c', scope: 'deployment', monthlyUsd: 10 },
      { name: 'c', scope: 'deployment', monthlyUsd: 10 },
    ]);
  } catch (error) {
    if (!isConfigError(error)) throw error;
    const places = error.problems.map(({ setting }) => setting);
    expect(places).toEqual([
      'BUDGETS_FILE › 0 › scope',
      'BUDGETS_FILE › 1 › monthlyUsd',
      'BUDGETS_FILE › 1 › atLimit',
    ]);
    return;
  }
  throw new Error('the file was accepted');
});

test('two budgets of one name are refused', () => {
  const twice = { name: 'c', scope: 'deployment', monthlyUsd: 10 };
  expect(() => load([twice, twice])).toThrow('two budgets named c');
});
