import type { Principal } from '../../core/principal.ts';
import type { MonthView } from '../costs/costs-view.ts';
import { CostBillSection } from './cost-bill-section.tsx';
import { CostBudgetsSection } from './cost-budgets-section.tsx';
import { CostGroupsSection } from './cost-groups-section.tsx';
import { CostHeadline } from './cost-headline.tsx';
import { CostKnowledgeSection } from './cost-knowledge-section.tsx';
import { CostMonthSection } from './cost-month-section.tsx';
import { CostNodesSection } from './cost-nodes-section.tsx';
import { CostSavingsSection } from './cost-savings-section.tsx';
import { type Frame, Layout } from './layout.tsx';

export interface CostsPageProps {
  readonly frame: Frame;
  readonly month: MonthView;
  readonly principal: Principal;
}

/** The page asks for itself anew this often; the snapshot behind it lasts ten seconds. */
const REFRESH_MS = 15_000;

/** What it costs, what it saved, where it goes, and what is not known. */
export function CostsPage({ frame, month, principal }: CostsPageProps) {
  const { atMs, teamId } = month;
  return (
    <Layout frame={frame} title="Costs" principal={principal} here="costs" withCharts>
      <div class="title">
        <h1>
          Costs
          <span class="note">
            {monthName(month.fromMs)}
            {teamId !== undefined && `, team ${teamId} alone`}
          </span>
        </h1>
        <p class="fresh">
          <span id="fresh">as of {new Date(atMs).toISOString().slice(11, 19)} UTC</span>{' '}
          <a href="/costs" class="no-js-only">
            Refresh
          </a>
          <button type="button" class="plain needs-js" id="live-toggle" aria-pressed="true">
            Live
          </button>
        </p>
      </div>
      <p id="status" role="status" class="status" />
      <div id="live" data-every={REFRESH_MS}>
        <CostHeadline month={month} />
        <CostMonthSection month={month} />
        <CostBudgetsSection budgets={month.budgets} />
        {month.bill && <CostBillSection bill={month.bill} />}
        <CostGroupsSection month={month} />
        <CostSavingsSection month={month} />
        {month.nodes.length > 0 && <CostNodesSection nodes={month.nodes} />}
        <CostKnowledgeSection month={month} simulated={frame.simulated} />
      </div>
    </Layout>
  );
}

function monthName(ms: number): string {
  return new Date(ms).toLocaleDateString('en-US', { month: 'long', year: 'numeric', timeZone: 'UTC' });
}
