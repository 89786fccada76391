import type { AtLimit, BudgetView } from '../../core/budget.ts';
import { money, percent } from './money.ts';
import { Bar, Section } from './parts.tsx';

/** How far each budget is used, and where it will end. */
export function CostBudgetsSection({ budgets }: { readonly budgets: readonly BudgetView[] }) {
  return (
    <Section id="budgets" question="Will it stay within budget?">
      {budgets.length === 0 ? (
        <p class="fine">
          No budget is set. Budgets go into <code>BUDGETS_FILE</code>.
        </p>
      ) : (
        <div class="grid">
          {budgets.map((budget) => (
            <Budget budget={budget} />
          ))}
        </div>
      )}
    </Section>
  );
}

const WHAT_HAPPENS = {
  alert: 'at the limit: an alert',
  route_away: 'at the limit: new starts go where it is cheaper',
  stop_admitting: 'at the limit: no new starts',
} as const satisfies Record<AtLimit, string>;

function Budget({ budget }: { readonly budget: BudgetView }) {
  const { name, limitMicroUsd, spentMicroUsd, reservedMicroUsd, forecast, atLimit } = budget;
  const isOver = spentMicroUsd >= limitMicroUsd;
  const willBeOver = !isOver && forecast !== undefined && forecast.expectedMicroUsd > limitMicroUsd;
  const used = percent(spentMicroUsd, limitMicroUsd);
  return (
    <article>
      <h3>
        {name}
        {isOver && <span class="state bad">spent</span>}
        {willBeOver && <span class="fallback">will not last</span>}
        <span class="amount">{scopeText(budget)}</span>
      </h3>
      <Bar used={spentMicroUsd} total={limitMicroUsd} isFull={isOver} label={`${name}: ${used} spent`} />
      <p>
        <strong>{used}</strong> of {money(limitMicroUsd)}: {money(spentMicroUsd)} spent
        {reservedMicroUsd > 0 && `, ${money(reservedMicroUsd)} reserved for starts`}
      </p>
      <p class="quiet">
        {forecast === undefined
          ? 'Its end is not known yet'
          : `${money(forecast.expectedMicroUsd)} by the end of the month`}
        ; {WHAT_HAPPENS[atLimit]}.
      </p>
    </article>
  );
}

function scopeText({ scope }: BudgetView): string {
  switch (scope.of) {
    case 'deployment':
      return 'everything';
    case 'team':
      return `team ${scope.teamId}`;
    case 'provider':
      return scope.provider;
  }
}
