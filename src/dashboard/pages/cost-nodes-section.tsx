import type { NodeCost } from '../../core/usage.ts';
import { money, percent } from './money.ts';
import { Section } from './parts.tsx';

/** Allocated, shared and idle add up to what the node costs. */
export function CostNodesSection({ nodes }: { readonly nodes: readonly NodeCost[] }) {
  return (
    <Section
      id="nodes"
      question="Are the nodes worth it?"
      note="A node costs its month, whatever runs on it."
    >
      <div class="grid">
        {nodes.map((node) => (
          <Node node={node} />
        ))}
      </div>
    </Section>
  );
}

function Node({ node }: { readonly node: NodeCost }) {
  const { costMicroUsd, allocatedMicroUsd, sharedMicroUsd, idleMicroUsd } = node;
  const share = (part: number) => (costMicroUsd === 0 ? 0 : (part / costMicroUsd) * 100);
  const parts = [
    ['allocated', 'to sandboxes', allocatedMicroUsd],
    ['shared', 'kept free for the host and for resumes', sharedMicroUsd],
    ['idle', 'nobody used it', idleMicroUsd],
  ] as const;
  const label = parts.map(([name, , part]) => `${name} ${percent(part, costMicroUsd)}`).join(', ');
  return (
    <article>
      <h3>
        {node.node}
        <span class="amount">{money(costMicroUsd)} so far</span>
      </h3>
      <svg class="bar split" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={label}>
        <rect class="track" width="100" height="6" />
        <rect class="used" width={share(allocatedMicroUsd).toFixed(2)} height="6" />
        <rect
          class="kept"
          x={share(allocatedMicroUsd).toFixed(2)}
          width={share(sharedMicroUsd).toFixed(2)}
          height="6"
        />
      </svg>
      <table>
        <tbody>
          {parts.map(([name, meaning, part]) => (
            <tr>
              <th scope="row">
                <svg class={`key ${name}`} viewBox="0 0 10 10" aria-hidden="true">
                  <rect width="10" height="10" />
                </svg>
                {name} <span class="quiet">{meaning}</span>
              </th>
              <td class="number">{money(part)}</td>
              <td class="number quiet">{percent(part, costMicroUsd)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </article>
  );
}
