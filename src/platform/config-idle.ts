/** The operator's policy for idle sandboxes: variables for what most want to set, a file for rules by team. */
import { z } from 'zod';
import { type AfterMs, DEFAULT_IDLE_POLICY, type IdlePolicy, type IdleRule } from '../core/idle-policy.ts';
import { CAN_KEEP_MEMORY, isProviderName, PROVIDER_NAMES, type ProviderName } from '../core/provider-name.ts';
import { WORKLOAD_TYPES } from '../core/start-request.ts';
import type { Problems } from './config-problems.ts';
import type { Environment, Setting } from './config-schema.ts';
import { readJsonFile } from './json-file.ts';

type IdleSettings = Pick<
  Environment,
  | 'IDLE_MODE'
  | 'IDLE_AFTER_SECONDS'
  | 'IDLE_UNKNOWN_AFTER_SECONDS'
  | 'IDLE_RETAIN_PAUSED_DAYS'
  | 'IDLE_ENFORCE_UNPROVEN'
  | 'IDLE_POLICY_FILE'
>;

/** Below a minute a sandbox would be suspended between two commands; looks are a minute apart. */
export const LEAST_IDLE_SECONDS = 60;
export const MOST_IDLE_SECONDS = 365 * 24 * 60 * 60;
const DAY_MS = 24 * 60 * 60 * 1_000;

const afterSeconds = z.union([z.int().min(LEAST_IDLE_SECONDS).max(MOST_IDLE_SECONDS), z.literal('never')]);
const perProvider = z.partialRecord(z.enum(PROVIDER_NAMES), afterSeconds);

const policyFile = z.strictObject({
  idleAfterSeconds: perProvider.default({}),
  unknownAfterSeconds: perProvider
    .default({})
    .refine(
      (table) =>
        PROVIDER_NAMES.every((name) => CAN_KEEP_MEMORY[name] || (table[name] ?? 'never') === 'never'),
      {
        message: 'a container loses its memory when it is paused: only "never" is possible for pve-lxc',
      },
    ),
  rules: z
    .array(
      z.strictObject({
        teamId: z.string().min(1).exactOptional(),
        workloadType: z.enum(WORKLOAD_TYPES).exactOptional(),
        provider: z.enum(PROVIDER_NAMES).exactOptional(),
        idleAfterSeconds: afterSeconds,
      }),
    )
    .max(1_000)
    .default([]),
  retainPausedDays: z.union([z.int().min(1).max(3_650), z.literal('never')]).exactOptional(),
  maxRegretShare: z.number().min(0).max(1).exactOptional(),
  minSuspended: z.int().min(0).max(1_000_000).exactOptional(),
});
type PolicyFile = z.output<typeof policyFile>;

const IN_FILE: Readonly<Partial<Record<Setting, keyof PolicyFile>>> = {
  IDLE_AFTER_SECONDS: 'idleAfterSeconds',
  IDLE_UNKNOWN_AFTER_SECONDS: 'unknownAfterSeconds',
  IDLE_RETAIN_PAUSED_DAYS: 'retainPausedDays',
};

/** Rules of the file come before the built-in ones, which differ by workload alone. */
export function readIdlePolicy(env: IdleSettings, problems: Problems): IdlePolicy {
  const file = readPolicyFile(env, problems);
  const { gate, ...defaults } = DEFAULT_IDLE_POLICY;
  const days = file?.retainPausedDays ?? env.IDLE_RETAIN_PAUSED_DAYS;
  return {
    mode: env.IDLE_MODE,
    afterMs: {
      ...defaults.afterMs,
      ...msTable(file?.idleAfterSeconds),
      ...namedTable('IDLE_AFTER_SECONDS', env.IDLE_AFTER_SECONDS, problems),
    },
    unknownAfterMs: {
      ...defaults.unknownAfterMs,
      ...msTable(file?.unknownAfterSeconds),
      ...namedTable('IDLE_UNKNOWN_AFTER_SECONDS', env.IDLE_UNKNOWN_AFTER_SECONDS, problems),
    },
    rules: [...(file?.rules ?? []).map(ruleOf), ...defaults.rules],
    retainPausedMs: days === undefined ? defaults.retainPausedMs : days === 'never' ? days : days * DAY_MS,
    gate: {
      maxRegret: file?.maxRegretShare ?? gate.maxRegret,
      minSuspended: file?.minSuspended ?? gate.minSuspended,
      skip: env.IDLE_ENFORCE_UNPROVEN,
    },
  };
}

function readPolicyFile(env: IdleSettings, problems: Problems): PolicyFile | undefined {
  const path = env.IDLE_POLICY_FILE;
  if (path === undefined) return undefined;
  const file = readJsonFile({ setting: 'IDLE_POLICY_FILE', path, schema: policyFile }, problems);
  if (file === undefined) return undefined;
  for (const [setting, field] of Object.entries(IN_FILE) as [
    keyof IdleSettings & Setting,
    keyof PolicyFile,
  ][]) {
    if (env[setting] === undefined || !Object.hasOwn(file.content as object, field)) continue;
    problems.add(setting, `${path} sets ${field} too`, 'keep one of the two');
  }
  return file.data;
}

function ruleOf({ idleAfterSeconds, ...names }: PolicyFile['rules'][number]): IdleRule {
  return { ...names, afterMs: msOf(idleAfterSeconds) } as IdleRule;
}

function msTable(table: Readonly<Partial<Record<ProviderName, number | 'never'>>> = {}) {
  const entries = Object.entries(table).map(([name, after]) => [name, msOf(after)]);
  return Object.fromEntries(entries) as Partial<Record<ProviderName, AfterMs>>;
}

function msOf(seconds: number | 'never'): AfterMs {
  return seconds === 'never' ? seconds : seconds * 1_000;
}

function namedTable(
  setting: 'IDLE_AFTER_SECONDS' | 'IDLE_UNKNOWN_AFTER_SECONDS',
  pairs: readonly { readonly name: string; readonly number: number }[] = [],
  problems: Problems,
): Partial<Record<ProviderName, AfterMs>> {
  const table: Partial<Record<ProviderName, AfterMs>> = {};
  for (const { name, number: seconds } of pairs) {
    if (!isProviderName(name)) problems.add(setting, `no provider is called "${name}"`);
    else if (setting === 'IDLE_UNKNOWN_AFTER_SECONDS' && !CAN_KEEP_MEMORY[name]) {
      problems.add(
        setting,
        `${name} loses its memory when it is paused`,
        `leave ${name} out: there, unknown never pauses`,
      );
    } else table[name] = seconds * 1_000;
  }
  return table;
}
