/** The shapes of what we answer: for the OpenAPI document, and for tests that hold every answer against them. */
import { z } from 'zod';
import type { ActivityHold } from '../../core/activity.ts';
import { AT_LIMIT } from '../../core/budget.ts';
import { COUNTERFACTUALS } from '../../core/counterfactual.ts';
import { FAILURE_KINDS } from '../../core/failure.ts';
import { IDLE_MODES } from '../../core/idle-policy.ts';
import { OBSERVED } from '../../core/idle-receipt.ts';
import { IDLE_RULES } from '../../core/idleness.ts';
import { HTTP_STATUS, type LifecycleErrorCode } from '../../core/lifecycle-error.ts';
import { OPERATION_KINDS, OPERATION_STATES } from '../../core/operation.ts';
import { PROVIDER_NAMES } from '../../core/provider-name.ts';
import { RECONNECTS } from '../../core/reconnect.ts';
import { SANDBOX_STATES } from '../../core/sandbox.ts';
import { WORKLOAD_TYPES } from '../../core/start-request.ts';
import type { OperationView, SandboxView, WhyView } from '../../core/views.ts';

const provider = z.enum(PROVIDER_NAMES);
const unixMs = z.int().describe('Unix time, ms');

export const sandboxSchema = z.object({
  id: z.string(),
  state: z.enum(SANDBOX_STATES),
  provider: provider.exactOptional().describe('Where it really is, which may not be where it was asked for.'),
  guestId: z.string().exactOptional(),
  providerId: z.string().exactOptional().describe('The provider’s own id.'),
  vmid: z.int().exactOptional(),
  hostname: z.string().exactOptional(),
  endpoints: z
    .record(z.string(), z.string())
    .describe('URL by name: vscode, worker, proxy, vnc, cdp. Empty once the sandbox has ended.'),
  fellBackFrom: z.array(provider),
  preservesRam: z.boolean().exactOptional().describe('While paused: whether memory is kept.'),
  reconnect: z
    .array(z.enum(RECONNECTS))
    .readonly()
    .exactOptional()
    .describe(
      'After a resume: open connections anew, read endpoints anew because they changed, start again what ran in it, set its clock, which may be behind by the time it slept.',
    ),
  remediation: z.string().exactOptional().describe('What only a person at the provider can do, while stuck.'),
  cause: z
    .string()
    .describe('The operation, or what was found at the provider, that brought it into this state.'),
  simulated: z.boolean().describe('True when a simulator answers in the provider’s place.'),
  preset: z.string().exactOptional(),
  workloadType: z.enum(WORKLOAD_TYPES).exactOptional(),
  teamId: z.string().exactOptional(),
  userId: z.string().exactOptional(),
  taskRunId: z.string().exactOptional(),
  metadata: z.record(z.string(), z.string()),
  protected: z.boolean(),
  idleTimeoutSeconds: z.int().exactOptional(),
  ttlSeconds: z.int().exactOptional(),
  onExpiry: z.enum(['pause', 'destroy']),
  expiresAtMs: unixMs.exactOptional(),
  createdAtMs: unixMs,
  updatedAtMs: unixMs,
});
sandboxSchema satisfies z.ZodType<SandboxView>;

export const holdViewSchema = z.object({
  owner: z.string(),
  reason: z.string(),
  sinceMs: unixMs,
  untilMs: unixMs.describe('It ends by itself then.'),
});
holdViewSchema satisfies z.ZodType<ActivityHold>;

export const touchResultSchema = z.object({
  noted: z.array(z.string()),
  unknown: z.array(z.string()).describe('There is none by that id, or it has ended.'),
});

export const resumedSandboxSchema = sandboxSchema.extend({ memoryKept: z.boolean() });

export const sandboxListSchema = z.object({
  sandboxes: z.array(sandboxSchema),
  cursor: z.string().exactOptional().describe('Pass it to get the next page; absent on the last one.'),
});

const failureSchema = z.object({
  kind: z.enum(FAILURE_KINDS),
  effect: z.enum(['none', 'unknown', 'applied']).describe('What the failed call left at the provider.'),
  message: z.string(),
  remediation: z.string().exactOptional(),
  retryAfterMs: z.number().exactOptional(),
  neverLeft: z.literal(true).exactOptional(),
  provider: provider.exactOptional(),
});

const attemptSchema = z.object({
  number: z.int(),
  provider,
  outcome: z.enum(['open', 'succeeded', 'failed', 'interrupted', 'superseded']),
  openedAtMs: unixMs,
  claimedAtMs: unixMs.exactOptional(),
  endedAtMs: unixMs.exactOptional(),
  failure: failureSchema.exactOptional(),
  guestId: z.string().exactOptional(),
  holdSinceMs: unixMs.exactOptional(),
  holdFor: z.enum(['permit', 'guest']).exactOptional(),
  followedBy: z.string().exactOptional(),
});

const codes = Object.keys(HTTP_STATUS) as [LifecycleErrorCode, ...LifecycleErrorCode[]];

const operationFailureSchema = z.object({
  code: z.string(),
  message: z.string(),
  remediation: z.string().exactOptional(),
  retryable: z.boolean(),
  causes: z.array(failureSchema).describe('The failure of each provider tried, in order.'),
});

export const operationSchema = z.object({
  id: z.string(),
  kind: z.enum(OPERATION_KINDS),
  sandboxId: z.string(),
  state: z.enum(OPERATION_STATES),
  attempts: z.array(attemptSchema),
  leftOut: z.array(z.object({ provider, reason: z.string() })),
  failure: operationFailureSchema.exactOptional(),
  memoryKept: z.boolean().exactOptional().describe('For a resume.'),
  clock: z
    .object({ behindMs: z.number(), isRight: z.boolean() })
    .exactOptional()
    .describe(
      'For a resume that read the guest’s clock: how far it was behind, and whether it is right now.',
    ),
  requestedBy: z.string().exactOptional(),
  createdAtMs: unixMs,
  settledAtMs: unixMs.exactOptional(),
});

export const operationListSchema = z.object({
  operations: z.array(operationSchema),
  cursor: z.string().exactOptional(),
});

const historyEntrySchema = z.object({
  type: z.string(),
  atMs: unixMs,
  facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});

const idleOutlookSchema = z.object({
  summary: z.string().describe('One sentence for a person.'),
  mode: z.enum(IDLE_MODES).describe('What really happens; `shadow` only counts.'),
  heldBack: z.string().exactOptional().describe('Why nothing is suspended although `enforce` is configured.'),
  verdict: z.enum(['exempt', 'awake', 'watching', 'suspend']),
  rule: z.enum(IDLE_RULES),
  reason: z.string(),
  observed: z
    .array(z.object({ what: z.enum(OBSERVED), atMs: unixMs.exactOptional(), detail: z.string() }))
    .describe('Newest first; without a time it was never heard.'),
  heldBy: z
    .array(z.object({ owner: z.string(), reason: z.string(), sinceMs: unixMs, untilMs: unixMs }))
    .describe('Who holds it awake, and until when at most.'),
  threshold: z.object({ afterMs: z.union([z.int(), z.literal('never')]), from: z.string() }),
  suspendAtMs: unixMs
    .exactOptional()
    .describe('When it is suspended if nothing happens; in shadow mode, when it would be.'),
  lookedAtMs: unixMs.exactOptional().describe('When the sweep last looked.'),
});

export const whySchema = z.object({
  sandbox: sandboxSchema,
  summary: z.string().describe('One sentence for a person.'),
  operations: z.array(operationSchema),
  history: z.array(historyEntrySchema).describe('Newest first, the last hundred.'),
  idle: idleOutlookSchema
    .exactOptional()
    .describe('Its idleness as a look just now would judge it; absent while it has no guest.'),
});

export const providersSchema = z.object({
  providers: z.array(
    z.looseObject({
      provider,
      preservesRam: z.boolean(),
      failureDomain: z.string(),
      simulated: z.boolean(),
      healthy: z.boolean(),
      detail: z.string(),
      breaker: z
        .enum(['closed', 'half_open', 'open'])
        .describe('Open: starts go elsewhere. Half open: a few are let through to see.'),
      breakerReason: z.string().exactOptional().describe('The failure that opened it.'),
      breakerRetryAtMs: unixMs.exactOptional().describe('While open: when the provider is asked next.'),
      overCapacity: z.string().exactOptional(),
      publishedAtMs: unixMs,
      ageMs: z.int().describe('How old this status is. Workers publish every 15 s.'),
      queue: z.object({ waiting: z.int(), active: z.int(), delayed: z.int(), failed: z.int() }),
    }),
  ),
});

const microUsd = z.int().describe('Millionths of a US dollar.');
const stateMs = z.record(z.string(), z.int()).describe('Time of guests by billing state, ms.');

export const costsSchema = z.object({
  fromMs: unixMs,
  toMs: unixMs,
  currency: z.literal('USD'),
  pricesAsOf: z.string(),
  otherMicroUsd: microUsd.describe('What of the total is no part of sandboxes.'),
  groupBy: z.array(z.string()),
  totalMicroUsd: microUsd,
  lines: z.array(
    z.object({
      kind: z
        .enum(['allocated', 'idle', 'shared', 'other'])
        .describe(
          'Allocated to sandboxes; of a node, what was idle and what is shared by all; other lines of the bill.',
        ),
      group: z.record(z.string(), z.string()),
      microUsd,
      ms: stateMs,
    }),
  ),
  others: z.object({ lines: z.int(), microUsd }).describe('Lines beyond the limit.'),
  nodes: z
    .array(
      z.object({
        node: z.string(),
        failureDomain: z.string().exactOptional(),
        costMicroUsd: microUsd,
        allocatedMicroUsd: microUsd,
        idleMicroUsd: microUsd,
        sharedMicroUsd: microUsd,
      }),
    )
    .describe('Allocated, idle and shared add up to the cost.'),
  unpriced: z
    .array(z.object({ provider, node: z.string().exactOptional(), ms: z.int() }))
    .describe('Time that the price book has no price for; it is in no amount.'),
  billed: z
    .array(
      z.object({
        provider,
        day: z.string(),
        fromMs: unixMs,
        toMs: unixMs,
        billedMicroUsd: microUsd,
        ledgerMicroUsd: microUsd,
        differenceMicroUsd: microUsd.describe('Above 0: the provider charged more than the ledger knows of.'),
        asOfMs: unixMs.describe('When the provider was asked.'),
      }),
    )
    .describe('What providers charged for whole days, next to the ledger. None for a token of one team.'),
});

export const meteredLineSchema = z.object({
  id: z.string(),
  line: z.string(),
  usd: z.number(),
  atDay: z.string(),
});

export const meteredLinesSchema = z.object({
  fixed: z.array(
    z.object({
      line: z.string(),
      usdPerMonth: z.number(),
      from: z.string(),
      until: z.string().exactOptional(),
    }),
  ),
  metered: z.array(meteredLineSchema),
});

const policyBounds = z.object({ lowerMicroUsd: microUsd, upperMicroUsd: microUsd });
const periodSavings = z.object({
  period: z.string().describe('A day, or a month.'),
  actualMicroUsd: microUsd,
  under: z.record(z.enum(COUNTERFACTUALS), policyBounds).describe('By policy.'),
  savedPercent: z
    .record(z.enum(COUNTERFACTUALS), z.tuple([z.number(), z.number()]))
    .describe('By the lower and by the upper reading; below 0: it cost more.'),
  runningMs: z.int().describe('Time of running guests.'),
  peakRunning: z.int().describe('How many ran at once at the most.'),
});

export const savingsSchema = z.object({
  currency: z.literal('USD'),
  comparedAtMs: unixMs.exactOptional().describe('Absent before the first comparison.'),
  days: z.array(periodSavings),
  months: z.array(periodSavings),
  target: z.object({ sandboxesPercent: z.tuple([z.number(), z.number()]), totalMicroUsd: microUsd }),
  methods: z.array(z.object({ policy: z.enum(COUNTERFACTUALS), method: z.string() })),
});

export const budgetsSchema = z.object({
  month: z.string().describe('The calendar month (UTC), such as 2026-11.'),
  talliedAtMs: unixMs.exactOptional().describe('Absent before the first tally.'),
  budgets: z.array(
    z.object({
      name: z.string(),
      scope: z.discriminatedUnion('of', [
        z.object({ of: z.literal('deployment') }),
        z.object({ of: z.literal('team'), teamId: z.string() }),
        z.object({ of: z.literal('provider'), provider }),
      ]),
      atLimit: z.enum(AT_LIMIT),
      limitMicroUsd: microUsd,
      spentMicroUsd: microUsd,
      reservedMicroUsd: microUsd.describe('For starts under way, and for what is left of first hours.'),
      forecast: z
        .object({
          expectedMicroUsd: microUsd,
          lowerMicroUsd: microUsd,
          upperMicroUsd: microUsd,
        })
        .exactOptional()
        .describe('At the end of the month. Absent before the first tally of a month.'),
    }),
  ),
});

export const eventSchema = z.object({
  id: z.string(),
  type: z.string(),
  atMs: unixMs,
  sandboxId: z.string(),
  facts: z.record(z.string(), z.string()),
});

export const deadLettersSchema = z.object({
  letters: z.array(
    z.object({
      event: z.object({ id: z.string(), type: z.string(), sequence: z.int() }).loose(),
      reason: z.string(),
      tries: z.int(),
      deadAtMs: unixMs,
    }),
  ),
  totals: z.object({ backlog: z.int(), dead: z.int(), dropped: z.int() }),
});

export const errorSchema = z.object({
  code: z.enum(codes),
  message: z.string(),
  retryable: z.boolean().describe('Whether the same request, with a new idempotency key, may succeed later.'),
  operationId: z.string().exactOptional(),
  sandboxId: z.string().exactOptional(),
  cause: operationFailureSchema.exactOptional(),
  remediation: z.string().exactOptional(),
});

/** The compiler's word that what the views hold is what the document says. */
export type DocumentedViews = [
  Fits<OperationView, z.output<typeof operationSchema>>,
  Fits<WhyView, z.output<typeof whySchema>>,
];
type Fits<View extends DeepReadonly<Documented>, Documented> = View;
type DeepReadonly<T> = { readonly [K in keyof T]: DeepReadonly<T[K]> };
