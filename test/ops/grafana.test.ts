/** The dashboards: they parse, say what each panel is, and ask for nothing that /metrics does not have. */
import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { parse } from 'yaml';
import { readCompose } from '../deployment/compose.ts';
import { dashboards, panelsOf } from './dashboards.ts';
import { unknownIn } from './known-metrics.ts';

const FOLDER = 'ops/grafana';

test('there is one of the fleet and one of money', () => {
  expect(dashboards.map(([file]) => file)).toEqual(['fleet.json', 'money.json']);
});

describe.each(dashboards)('%s', (_file, dashboard) => {
  it('has panels with ids of their own that do not lie on one another', () => {
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
  });

  it.each(panelsOf(dashboard).map((panel) => [panel.title, panel] as const))('%s', (_title, panel) => {
    expect(panel.fieldConfig?.defaults.unit).toBeTruthy();
    expect(panel.description).toMatch(/\.$/);
    expect(panel.targets).not.toEqual([]);
    for (const { expr, legendFormat } of panel.targets ?? []) {
      expect(unknownIn(expr)).toEqual([]);
      expect(legendFormat).toBeTruthy();
    }
  });
});

describe('provisioning', () => {
  const read = (file: string) => parse(readFileSync(`${FOLDER}/provisioning/${file}`, 'utf8'));
  const { services } = readCompose();
  const targetsOf = (name: string) =>
    (services[name]?.volumes ?? []).flatMap((volume) => (typeof volume === 'string' ? [] : [volume]));

  it('leads Grafana to the Prometheus of the compose file', () => {
    const [source] = read('datasources/prometheus.yml').datasources;
    expect(source).toMatchObject({ type: 'prometheus', isDefault: true });
    expect(services).toHaveProperty(new URL(source.url).hostname);
  });

  it('finds the dashboards where the compose file puts them', () => {
    const [provider] = read('dashboards/cmux-lifecycle.yml').providers;
    expect(targetsOf('grafana')).toContainEqual(
      expect.objectContaining({ source: './ops/grafana/dashboards', target: provider.options.path }),
    );
  });
});
