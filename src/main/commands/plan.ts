import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { LifecycleError } from '../../core/lifecycle-error.ts';
import { type Plan, planMigration, USAGE_DEFAULTS, type UsageDescription } from '../../core/plan.ts';
import { PUBLISHED_PRICES, toPriceBook } from '../../platform/price-book-file.ts';
import { renderSheets, type Sheet } from '../sheet.ts';
import { type AddCommand, outputOf } from './command.ts';
import { decimal } from './options.ts';

/** A month of a thousand people; beyond that the model of one page says nothing. */
const share = z.number().min(0).max(1);
const usageSchema = z.strictObject({
  users: z.number().min(1).max(1_000),
  sessionsPerUserDay: z.number().min(0).max(1_000),
  activeHoursPerSession: z.number().min(0).max(720),
  workingDays: z.number().min(1).max(31),
  idleHoursPerSession: z.number().min(0).max(720),
  burstsPerSession: z.number().min(0).max(1_000),
  size: z.strictObject({ vcpus: z.int().min(1), memoryMib: z.int().min(128), diskGib: z.int().min(1) }),
  prodShare: share,
  fallbackShare: share,
  idleThresholdMinutes: z.number().min(1).max(1_440),
  node: z.strictObject({
    usdPerMonth: z.number().min(0),
    memoryMib: z.int().min(1_024),
    sharedMib: z.int().min(0),
  }),
});

interface PlanOptions {
  readonly usage?: string;
  readonly users?: number;
  readonly sessions?: number;
  readonly hours?: number;
  readonly nodePrice?: number;
}

export const addPlan: AddCommand = (program, context) => {
  program
    .command('plan')
    .description(
      'the projected bill of each phase of the migration, and from where on a node pays; asks nobody',
    )
    .option('--usage <file>', 'JSON; what it leaves out has the defaults that -o json prints')
    .option('--users <count>', 'people', decimal)
    .option('--sessions <count>', 'sandboxes that one of them starts on a working day', decimal)
    .option('--hours <count>', 'hours in which one is used', decimal)
    .option('--node-price <usd>', 'what a node costs a month', decimal)
    .action((options: PlanOptions, command) => {
      const usage = readUsage(options);
      const plan = planMigration(usage, toPriceBook(PUBLISHED_PRICES), Date.now());
      const output = outputOf(command, context);
      output.show({ usage, ...plan }, (width) =>
        renderSheets([planSheet(usage, plan)], output.format, width),
      );
    });
};

/** A team as the roadmap has it: ten people, five to ten sandboxes at once. */
const TEAM = { users: 10, sessionsPerUserDay: 2, activeHoursPerSession: 2 };

function readUsage({ usage, users, sessions, hours, nodePrice }: PlanOptions): UsageDescription {
  const given = usage === undefined ? {} : readFile(usage);
  const merged = {
    ...USAGE_DEFAULTS,
    ...TEAM,
    ...given,
    ...(users === undefined ? {} : { users }),
    ...(sessions === undefined ? {} : { sessionsPerUserDay: sessions }),
    ...(hours === undefined ? {} : { activeHoursPerSession: hours }),
  };
  const node = {
    ...USAGE_DEFAULTS.node,
    ...merged.node,
    ...(nodePrice === undefined ? {} : { usdPerMonth: nodePrice }),
  };
  const parsed = usageSchema.safeParse({ ...merged, node });
  if (parsed.success) return parsed.data;
  throw invalid(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
}

function readFile(path: string): Partial<UsageDescription> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    throw invalid(`--usage: ${path} is no readable JSON object: ${(error as Error).message}`);
  }
}

function invalid(message: string): LifecycleError {
  return new LifecycleError({ code: 'invalid_request', message, retryable: false });
}

function planSheet({ users, node }: UsageDescription, plan: Plan): Sheet {
  const { phases, breakEven, sessions, usualConcurrent, peakConcurrent } = plan;
  return {
    title: `The bill of a month for ${users} people`,
    head: ['phase', 'what', 'bill', 'nodes', 'saved'],
    rows: phases.map(({ phase, what, usd: [lower, upper], nodes, savingPercent }) => [
      phase,
      what,
      lower === upper ? `$${lower}` : `$${lower} to $${upper}`,
      String(nodes),
      `${savingPercent} %`,
    ]),
    notes: [
      `${Math.round(sessions)} sandboxes a month; about ${usualConcurrent.toFixed(1)} at once, ${peakConcurrent} at the peak.`,
      `A node of $${node.usdPerMonth} pays from ${breakEven.sandboxHours} sandbox hours a month on, which is ${breakEven.sessionsPerUserDay} sandboxes per person and working day.`,
      'A projection from a short description, at Morph’s published prices: `npm run sim:month` plays a whole month.',
    ],
  };
}
