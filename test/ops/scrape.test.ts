/** A real Prometheus with our own configuration scrapes a real system of ours. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, inject, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { startHttp } from '../../src/main/http.ts';
import { loadConfig } from '../../src/platform/config.ts';
import { createTokens } from '../../src/producers/access/tokens.ts';
import { eventually } from '../support/eventually.ts';
import { startPrometheus } from '../support/prometheus.ts';
import { PRESET, startTestSystem } from '../support/system.ts';
import { dashboards, panelsOf } from './dashboards.ts';

describe.skipIf(!inject('hasPrometheus'))('Prometheus', () => {
  test('scrapes a running system with a viewer’s token, evaluates every rule and answers every dashboard', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-prometheus-'));
    const system = await startTestSystem();
    const http = await startHttp(
      system.system,
      {
        ...loadConfig({}),
        deployment: system.options.deployment,
        http: { host: '127.0.0.1', port: 0, trustProxy: false },
      },
      pino({ level: 'silent' }),
    );
    try {
      const issuer = createTokens(system.system.store.access, Date.now);
      const { secret } = await issuer.create({ name: 'prometheus', role: 'viewer' }, 'cli');
      await system.producer.start({ preset: PRESET });
      const config = writeConfig(folder, new URL(http.url).host, secret);
      const prometheus = await startPrometheus(config, join(folder, 'data'));
      try {
        const value = async (query: string) => {
          const path = `/api/v1/query?query=${encodeURIComponent(query)}`;
          const { result } = (await prometheus.ask(path)) as {
            result: readonly { value: [number, string] }[];
          };
          return result[0]?.value[1];
        };
        await eventually('a scrape was taken in', async () => (await value('up')) === '1');
        expect(await value('lifecycle_store_up')).toBe('1');
        expect(await value('lifecycle_sandboxes{state="running",provider="pve-vm"}')).toBe('1');
        expect(
          await value('lifecycle_operation_duration_seconds_count{kind="start",provider="pve-vm"}'),
        ).toBe('1');
        const healths = await eventually('every rule was evaluated', async () => {
          const found = ruleHealths(await prometheus.ask('/api/v1/rules'));
          return found.length > 0 && !found.includes('unknown') && found;
        });
        expect(new Set(healths)).toEqual(new Set(['ok']));
        const asked = dashboards.flatMap(([, dashboard]) =>
          panelsOf(dashboard).flatMap(({ targets = [] }) => targets.map(({ expr }) => value(expr))),
        );
        // None is refused. Most have a value at once; rates need more than this one scrape.
        const answers = await Promise.all(asked);
        expect(answers.filter((answer) => answer !== undefined).length).toBeGreaterThan(answers.length / 2);
      } finally {
        await prometheus.stop();
      }
    } finally {
      await http.close();
      await system.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** Ours, but for the address and for how long it waits between two scrapes. */
function writeConfig(folder: string, target: string, token: string): string {
  const config = parse(readFileSync('ops/prometheus/prometheus.yml', 'utf8'));
  config.global = {
    ...config.global,
    scrape_interval: '1s',
    scrape_timeout: '1s',
    evaluation_interval: '1s',
  };
  config.scrape_configs[0].static_configs = [{ targets: [target] }];
  const file = join(folder, 'prometheus.yml');
  writeFileSync(file, stringify(config));
  writeFileSync(join(folder, 'token'), token);
  copyFileSync('ops/prometheus/rules.yml', join(folder, 'rules.yml'));
  return file;
}

function ruleHealths(answer: unknown): readonly string[] {
  const { groups } = answer as { groups: readonly { rules: readonly { health: string }[] }[] };
  return groups.flatMap(({ rules }) => rules.map(({ health }) => health));
}
