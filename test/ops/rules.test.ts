/** The Prometheus rules: they ask for metrics that exist, each fires, and each leads to its entry in the runbook. */
import { readFileSync } from 'node:fs';
import { describe, expect, inject, it, test } from 'vitest';
import { parse } from 'yaml';
import { promtool } from '../support/prometheus.ts';
import { unknownIn } from './known-metrics.ts';

const FOLDER = 'ops/prometheus';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface RuleTest {
  readonly alert_rule_test?: readonly {
    readonly alertname: string;
    readonly exp_alerts?: readonly unknown[];
  }[];
}

const read = (file: string): unknown => parse(readFileSync(`${FOLDER}/${file}`, 'utf8'));
const { groups } = read('rules.yml') as { readonly groups: readonly { readonly rules: readonly Rule[] }[] };
const rules = groups.flatMap((group) => group.rules).map((rule) => [rule.alert, rule] as const);
const { tests } = read('rules.test.yml') as { readonly tests: readonly RuleTest[] };
const runbook = readFileSync('docs/runbook.md', 'utf8');
const headings = [...runbook.matchAll(/^## (.+)$/gm)].map(([, heading = '']) => heading);

describe.each(rules)('%s', (name, rule) => {
  it('asks for metrics and labels that /metrics has', () => {
    expect(unknownIn(rule.expr)).toEqual([]);
  });

  it('says how bad it is, what it means, and where the runbook tells more', () => {
    expect(['warning', 'critical']).toContain(rule.labels.severity);
    expect(rule.annotations.summary).toBeTruthy();
    expect(rule.annotations.description).toMatch(/\.$/);
    expect(rule.annotations.runbook_url).toMatch(/^\{\{ \$externalLabels\.runbooks \}\}#/);
  });

  it('has an entry in the runbook', () => {
    const entry = runbook.split(/^## /m).find((part) => part.startsWith(`${name}\n`)) ?? '';
    for (const part of ['**Check.**', '**Do.**', '**Otherwise.**']) expect(entry).toContain(part);
  });

  it('is fired by a test', () => {
    const fired = tests
      .flatMap(({ alert_rule_test: cases = [] }) => cases)
      .filter(({ alertname, exp_alerts: alerts = [] }) => alertname === name && alerts.length > 0);
    expect(fired).not.toEqual([]);
  });
});

test('the runbook has no entry of a rule that is not there', () => {
  const names = rules.map(([name]) => name);
  for (const heading of headings.filter((each) => each.startsWith('Lifecycle'))) {
    expect(names).toContain(heading);
  }
});

test('every link of a fired alert leads to a heading of the runbook', () => {
  const text = readFileSync(`${FOLDER}/rules.test.yml`, 'utf8');
  const links = [...text.matchAll(/runbook_url: docs\/runbook\.md#(\S+)$/gm)].map(([, link]) => link);
  expect(links.length).toBeGreaterThanOrEqual(rules.length);
  const anchors = headings.map((heading) => heading.toLowerCase().replaceAll('.', ''));
  for (const link of links) expect(anchors).toContain(link);
});

describe.skipIf(!inject('hasPrometheus'))('promtool', () => {
  it('accepts the rules and fires each of them', async () => {
    expect(await promtool('check', 'rules', `${FOLDER}/rules.yml`)).toContain(`${rules.length} rules found`);
    expect(await promtool('test', 'rules', `${FOLDER}/rules.test.yml`)).toContain('SUCCESS');
  });

  it('accepts the configuration', async () => {
    expect(await promtool('check', 'config', '--syntax-only', `${FOLDER}/prometheus.yml`)).toContain(
      'SUCCESS',
    );
  });
});
