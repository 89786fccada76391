/** Every alert can be looked up, and nothing is in the runbook that is never raised. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ALERT_NAMES } from '../../src/core/alert.ts';

const [head = '', ...parts] = readFileSync('docs/runbook.md', 'utf8').split(/^## /m);
const entries = parts.map((part) => {
  const [heading = '', ...lines] = part.split('\n');
  return { heading, text: lines.join('\n') };
});
/** A name of an alert; other headings may tell of what is no alert. */
const namesInRunbook = entries
  .map(({ heading }) => heading)
  .filter((heading) => /^[a-z]+\.[a-z_]+$/.test(heading));

test('every alert has an entry in the runbook, and every entry an alert', () => {
  expect([...namesInRunbook].sort()).toEqual([...ALERT_NAMES].sort());
});

test('the index at its head has every alert, those of Prometheus too', () => {
  const alerts = entries
    .map(({ heading }) => heading)
    .filter((heading) => /^([a-z]+\.|Lifecycle)/.test(heading));
  expect(alerts.filter((name) => !head.includes(`[${name}](#`))).toEqual([]);
});

test.each(ALERT_NAMES)('the entry of %s says how to check, what to do and what happens otherwise', (name) => {
  const entry = entries.find(({ heading }) => heading === name)?.text ?? '';
  for (const part of ['**Check.**', '**Do.**', '**Otherwise.**']) expect(entry).toContain(part);
});
