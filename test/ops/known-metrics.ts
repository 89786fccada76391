/** What /metrics can say, from the registry itself, and what a PromQL expression asks for. */
import { createRegistry } from '../../src/dashboard/metrics/registry.ts';

/** Labels that Prometheus adds, and those that only the text of a histogram has. */
const ADDED_LABELS = ['job', 'instance', 'le'];
/** Told by Prometheus itself. */
const OF_PROMETHEUS = { up: [] };

const LABELS: ReadonlyMap<string, readonly string[]> = new Map([
  ...Object.entries(OF_PROMETHEUS),
  ...createRegistry(async () => undefined)
    .getMetricsAsArray()
    .flatMap((metric) => {
      const { name, labelNames = [] } = metric as { readonly name: string; readonly labelNames?: string[] };
      return [name, `${name}_bucket`, `${name}_sum`, `${name}_count`].map(
        (each) => [each, labelNames] as const,
      );
    }),
]);

/** What of an expression is unknown to /metrics: names of metrics, and labels that they do not have. */
export function unknownIn(expression: string): readonly string[] {
  const selectors = [...expression.matchAll(/\b((?:lifecycle|process|nodejs)_\w+|up)\b(?:\{([^}]*)\})?/g)];
  if (selectors.length === 0) return [`no metric in: ${expression}`];
  return selectors.flatMap(([, name = '', matchers = '']) => {
    const labels = LABELS.get(name);
    if (labels === undefined) return [name];
    return [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)]
      .map(([, label = '']) => label)
      .filter((label) => !labels.includes(label) && !ADDED_LABELS.includes(label))
      .map((label) => `${name}{${label}}`);
  });
}
