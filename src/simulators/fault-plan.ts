import { z } from 'zod';

/**
 * Faults are data: a list of rules, weighed in order for every request and every task. The first rule that
 * matches, has hits left and passes its probability decides. Probabilities come from one seeded generator,
 * so a failing run replays with its seed.
 */
const requestFault = z.discriminatedUnion('kind', [
  /** Answers with an error; nothing is done. 595-599 come with an empty body, as pveproxy sends them. */
  z.strictObject({ kind: z.literal('error'), status: z.int().min(400).max(599), message: z.string() }),
  /** Carries the request out after a wait. */
  z.strictObject({ kind: z.literal('delay'), ms: z.number().min(0) }),
  /** Does nothing and never answers. */
  z.strictObject({ kind: z.literal('hang') }),
  /**
   * Carries the request out, then destroys the socket, or answers `status` (596: the proxy gave up waiting;
   * 500 `… .active.lock … got timeout`: the worker was forked all the same).
   */
  z.strictObject({
    kind: z.literal('lose-reply'),
    status: z.int().min(400).max(599).optional(),
    message: z.string().optional(),
  }),
  /** Destroys the socket; nothing is done. */
  z.strictObject({ kind: z.literal('drop') }),
]);

/** Where in a task's life: before it changed anything, in its middle, or right before it would be done. */
const taskPhase = z.enum(['begin', 'middle', 'end']).optional();

const taskFault = z.discriminatedUnion('kind', [
  /** The task ends with `exitstatus`, after the clean-up Proxmox does. Default phase: `end`. */
  z.strictObject({
    kind: z.literal('fail-task'),
    taskType: z.string(),
    exitstatus: z.string(),
    at: taskPhase,
  }),
  /** SIGKILL for the worker: `unexpected status`, no clean-up, lock words stay. Default phase: `end`. */
  z.strictObject({ kind: z.literal('kill-task'), taskType: z.string(), at: taskPhase }),
  /** The task does its work, `ms` later than usual, with its locks held. */
  z.strictObject({ kind: z.literal('slow-task'), taskType: z.string(), ms: z.number().min(0) }),
]);

export const faultRuleSchema = z.strictObject({
  /** For request faults: exact method, and a regular expression on the decoded path (without query). */
  method: z.string().optional(),
  path: z.string().refine(isRegExp, 'not a regular expression').optional(),
  /** For task faults: the id in the UPID, so for a clone its *source*; for Morph the instance id. */
  id: z.string().optional(),
  action: z.union([requestFault, taskFault]),
  /** Hits before the rule is used up; without it the rule stays. */
  times: z.int().min(1).optional(),
  probability: z.number().min(0).max(1).optional(),
});

export type FaultRule = Readonly<z.infer<typeof faultRuleSchema>>;
export type RequestFault = Readonly<z.infer<typeof requestFault>>;
export type TaskFault = Readonly<z.infer<typeof taskFault>>;
export type TaskPhase = 'begin' | 'middle' | 'end';

/** What a test or a person holds. */
export interface FaultPlan {
  readonly add: (...rules: readonly FaultRule[]) => void;
  readonly clear: () => void;
  readonly list: () => readonly (FaultRule & { readonly hits: number })[];
}

/** What the simulator asks. */
export interface FaultSource {
  readonly forRequest: (method: string, path: string) => RequestFault | undefined;
  readonly forTask: (taskType: string, id: string) => TaskFault | undefined;
}

export function createFaultPlan(random: () => number): FaultPlan & FaultSource {
  let rules: { readonly rule: FaultRule; readonly path: RegExp | undefined; hits: number }[] = [];

  const take = <F>(match: (rule: FaultRule, path: RegExp | undefined) => F | undefined): F | undefined => {
    for (const entry of rules) {
      const { rule, path } = entry;
      if (rule.times !== undefined && entry.hits >= rule.times) continue;
      const fault = match(rule, path);
      if (fault === undefined) continue;
      if (rule.probability !== undefined && random() >= rule.probability) continue;
      entry.hits += 1;
      return fault;
    }
    return undefined;
  };

  return {
    add: (...added) => {
      const parsed = added.map((rule) => faultRuleSchema.parse(rule));
      rules = [
        ...rules,
        ...parsed.map((rule) => ({
          rule,
          path: rule.path === undefined ? undefined : new RegExp(rule.path),
          hits: 0,
        })),
      ];
    },
    clear: () => {
      rules = [];
    },
    list: () => rules.map(({ rule, hits }) => ({ ...rule, hits })),
    forRequest: (method, path) =>
      take((rule, pattern) => {
        if (isTaskFault(rule.action)) return undefined;
        if (rule.method !== undefined && rule.method.toUpperCase() !== method) return undefined;
        return pattern === undefined || pattern.test(path) ? rule.action : undefined;
      }),
    forTask: (taskType, id) =>
      take((rule) => {
        if (!isTaskFault(rule.action) || rule.action.taskType !== taskType) return undefined;
        return rule.id === undefined || rule.id === id ? rule.action : undefined;
      }),
  };
}

/** mulberry32: small, seeded, good enough to throw dice. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function isTaskFault(action: FaultRule['action']): action is TaskFault {
  return 'taskType' in action;
}

function isRegExp(source: string): boolean {
  try {
    new RegExp(source);
    return true;
  } catch {
    return false;
  }
}
