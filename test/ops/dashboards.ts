/** The Grafana dashboards as they stand in the files. */
import { readdirSync, readFileSync } from 'node:fs';

const FOLDER = 'ops/grafana';

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: Readonly<Record<'x' | 'y' | 'w' | 'h', number>>;
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
}

export const dashboards = readdirSync(`${FOLDER}/dashboards`).map(
  (file) => [file, JSON.parse(readFileSync(`${FOLDER}/dashboards/${file}`, 'utf8')) as Dashboard] as const,
);
export const panelsOf = ({ panels }: Dashboard) => panels.filter(({ type }) => type !== 'row');
