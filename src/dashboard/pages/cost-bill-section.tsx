import type { WholeBill } from '../costs/costs-view.ts';
import { money, percent } from './money.ts';
import { Bar, Section } from './parts.tsx';

/** Sandboxes and everything else that is paid for, in one number. */
export function CostBillSection({ bill }: { readonly bill: WholeBill }) {
  const { lines, totalMicroUsd, targetMicroUsd } = bill;
  const others = lines.reduce((sum, { microUsd }) => sum + microUsd, 0);
  const rows = [{ line: 'sandboxes and nodes', microUsd: totalMicroUsd - others }, ...lines];
  const isOver = totalMicroUsd > targetMicroUsd;
  const share = percent(totalMicroUsd, targetMicroUsd);
  return (
    <Section id="bill" question="And the whole bill?" note="With everything else that is paid for.">
      <div class="grid">
        <article>
          <h3>
            {money(totalMicroUsd)} so far
            {isOver && <span class="state bad">over</span>}
            <span class="amount">
              {share} of the {money(targetMicroUsd)} that a month is to stay below
            </span>
          </h3>
          <Bar
            used={totalMicroUsd}
            total={targetMicroUsd}
            isFull={isOver}
            label={`the whole bill: ${share}`}
          />
          <table>
            <tbody>
              {rows.map(({ line, microUsd }) => (
                <tr>
                  <th scope="row">{line}</th>
                  <td class="number">{money(microUsd)}</td>
                  <td class="number quiet">{percent(microUsd, totalMicroUsd)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </article>
      </div>
    </Section>
  );
}
