import { z } from 'zod';
import { AT_LIMIT, type Budget, type BudgetScope } from '../core/budget.ts';
import { PROVIDER_NAMES } from '../core/provider-name.ts';
import type { Problems } from './config-problems.ts';
import { readJsonFile } from './json-file.ts';

const SCOPES = 'use "deployment", { "team": "…" } or { "provider": "…" }';
const scope = z
  .union(
    [
      z.literal('deployment'),
      z.strictObject({ team: z.string().min(1) }),
      z.strictObject({ provider: z.enum(PROVIDER_NAMES) }),
    ],
    SCOPES,
  )
  .transform((given): BudgetScope => {
    if (given === 'deployment') return { of: 'deployment' };
    return 'team' in given
      ? { of: 'team', teamId: given.team }
      : { of: 'provider', provider: given.provider };
  });

/** A dime is less than a slice of the smallest preset; a billion is a slip of the keyboard. */
const USD = { min: 0.1, max: 10_000_000 };
/** Each start is held against all of them. */
const MAX_BUDGETS = 200;

const budgetsFile = z
  .array(
    z.strictObject({
      name: z.string().regex(/^[\w.-]{1,64}$/, 'a name of letters, digits, _ . -'),
      scope,
      monthlyUsd: z.number().min(USD.min).max(USD.max),
      atLimit: z.enum(AT_LIMIT).default('alert'),
    }),
  )
  .max(MAX_BUDGETS)
  .superRefine((budgets, context) => {
    for (const [index, { name }] of budgets.entries()) {
      if (budgets.findIndex((other) => other.name === name) === index) continue;
      context.addIssue({
        code: 'custom',
        path: [index, 'name'],
        message: `there are two budgets named ${name}`,
      });
    }
  });

/** Reads the file of budgets. What is wrong is reported with its place in the file. */
export function readBudgetsFile(path: string, problems: Problems): readonly Budget[] {
  const file = readJsonFile({ setting: 'BUDGETS_FILE', path, schema: budgetsFile }, problems);
  return (file?.data ?? []).map(({ monthlyUsd, ...budget }) => ({
    ...budget,
    monthlyMicroUsd: Math.round(monthlyUsd * 1_000_000),
  }));
}
