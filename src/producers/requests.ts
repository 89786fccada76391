/** Requests as callers write them, checked at the edge; every problem is reported at once. */
import { z } from 'zod';
import { LifecycleError } from '../core/lifecycle-error.ts';
import { OPERATION_STATES } from '../core/operation.ts';
import { normaliseProviderName } from '../core/provider-name.ts';
import { SANDBOX_STATES } from '../core/sandbox.ts';
import { type StartInput, type StartRequest, WORKLOAD_TYPES } from '../core/start-request.ts';
import { isCursor, MAX_PAGE } from '../store/listing.ts';

/** Longest id or name a caller may pass; they end up in records, markers and pages. */
const MAX_TEXT = 200;
/** Morph keeps metadata with every guest: room for cmux's dozen entries, not for documents. */
const MAX_METADATA_ENTRIES = 50;
const MAX_METADATA_VALUE = 2_000;
const MAX_SECONDS = 365 * 24 * 60 * 60;

export const text = z.string().min(1).max(MAX_TEXT);
const seconds = z.int().min(1).max(MAX_SECONDS);

const templates = z.strictObject({
  templates: z
    .array(z.strictObject({ vmid: z.int().min(100).max(999_999_999), expectedName: text }))
    .min(1)
    .max(20)
    .readonly(),
});

/** Aliases such as `proxmox-kvm` are understood; `proxmox` alone means full VMs here. */
const providerName = z
  .string()
  .max(MAX_TEXT)
  .transform((name, context) => {
    const provider = normaliseProviderName(name);
    if (provider !== undefined) return provider;
    context.addIssue({
      code: 'custom',
      message: `unknown provider "${name.slice(0, MAX_TEXT)}": use pve-vm, pve-lxc or morph`,
    });
    return z.NEVER;
  });

export const startRequestSchema = z
  .strictObject({
    preset: text.exactOptional(),
    sources: z
      .strictObject({
        'pve-vm': templates.exactOptional(),
        'pve-lxc': templates.exactOptional(),
        morph: z.strictObject({ snapshotId: text }).exactOptional(),
      })
      .exactOptional(),
    workloadType: z.enum(WORKLOAD_TYPES).exactOptional(),
    requiresRamSnapshot: z.boolean().default(false),
    preferredProvider: providerName.exactOptional(),
    allowFallback: z.boolean().default(true),
    teamId: text.exactOptional(),
    userId: text.exactOptional(),
    taskRunId: text.exactOptional(),
    metadata: z
      .record(text, z.string().max(MAX_METADATA_VALUE))
      .refine((entries) => Object.keys(entries).length <= MAX_METADATA_ENTRIES, {
        message: `at most ${MAX_METADATA_ENTRIES} entries`,
      })
      .default({}),
    ttlSeconds: seconds.exactOptional(),
    onExpiry: z.enum(['pause', 'destroy']).default('pause'),
    idleTimeoutSeconds: seconds.exactOptional(),
    protected: z.boolean().default(false),
  })
  .refine((request) => (request.preset === undefined) !== (request.sources === undefined), {
    path: ['preset'],
    message: 'give either a preset or sources',
  });

// The types that callers compile against are core's; this keeps the schema in step with them.
startRequestSchema satisfies z.ZodType<StartRequest, StartInput>;

export const pauseSchema = z.strictObject({ requiresRamSnapshot: z.boolean().default(true) });
export const resumeSchema = z.strictObject({
  onLostMemory: z.enum(['fail', 'cold-boot']).default('fail'),
});
export const ttlSchema = z.strictObject({
  ttlSeconds: seconds.nullable(),
  onExpiry: z.enum(['pause', 'destroy']).exactOptional(),
});
export const holdSchema = z.strictObject({
  owner: text.describe('Who holds, such as a task run; one hold per owner.'),
  reason: text.describe('For people: "agent turn running".'),
  seconds,
});
/** More than any machine has: a guest that is confused, or lies, fills no record. */
const MANY = 1_000_000;
/** A hundred times what memory can copy. */
const MOST_BYTES_PER_SECOND = 1e13;
export const heartbeatSchema = z.strictObject({
  agentProcesses: z.int().min(0).max(MANY),
  agentWork: z
    .strictObject({
      cpuShare: z.number().min(0).max(MANY).describe('Of one processor.'),
      bytesPerSecond: z.number().min(0).max(MOST_BYTES_PER_SECOND).describe('Read and written.'),
    })
    .exactOptional()
    .describe(
      'The busiest agent with all that it started, since the heartbeat before. Absent: not measured.',
    ),
  loadPerCpu: z.number().min(0).max(MANY),
  openConnections: z.int().min(0).max(MANY),
});
export const protectionSchema = z.strictObject({ protected: z.boolean() });

/** An id of ours or of a provider. */
export const anyId = z.string().regex(/^[\w.:-]{1,200}$/, 'this is no id');
/** Visible ASCII, as it travels in a header. */
export const idempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/, 'give 1 to 200 visible ASCII characters');

/** What goes with a change, beside the change itself. */
export const requestOptionsSchema = z.strictObject({
  idempotencyKey: idempotencyKey.exactOptional(),
  expectTeamId: text.exactOptional(),
});

const DEFAULT_PAGE = 50;
export const pageSize = z.int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE);
export const cursor = z.string().refine(isCursor, { message: 'this is no cursor of ours' });

export const sandboxListSchema = z.strictObject({
  states: z.array(z.enum(SANDBOX_STATES)).min(1).max(SANDBOX_STATES.length),
  teamId: text.exactOptional(),
  userId: text.exactOptional(),
  taskRunId: text.exactOptional(),
  provider: providerName.exactOptional(),
  metadata: z.record(text, z.string().max(MAX_METADATA_VALUE)).exactOptional(),
  limit: pageSize,
  cursor: cursor.exactOptional(),
});
export type SandboxListRequest = z.output<typeof sandboxListSchema>;

export const operationListSchema = z.strictObject({
  states: z.array(z.enum(OPERATION_STATES)).min(1).max(OPERATION_STATES.length),
  limit: pageSize,
  cursor: cursor.exactOptional(),
});
export type OperationListRequest = z.output<typeof operationListSchema>;

/** @throws `LifecycleError` with code `invalid_request` that names every field and what is wrong with it */
export function parse<T extends z.ZodType>(schema: T, input: unknown): z.output<T> {
  const parsed = schema.safeParse(withoutUndefined(input));
  if (parsed.success) return parsed.data;
  throw invalidRequest(problemsOf(parsed.error));
}

/** In JavaScript an option that is `undefined` is one that was not given. */
function withoutUndefined(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
}

export function problemsOf(error: z.ZodError): readonly string[] {
  return error.issues.map((issue) => `${issue.path.join('.') || 'request'}: ${issue.message}`);
}

/** Longer lists of problems help nobody, and would send back what was sent in. */
const MAX_PROBLEMS_TEXT = 2_000;

export function invalidRequest(problems: readonly string[]): LifecycleError {
  const message = problems.join('; ');
  const isLong = message.length > MAX_PROBLEMS_TEXT;
  return new LifecycleError({
    code: 'invalid_request',
    message: isLong ? `${message.slice(0, MAX_PROBLEMS_TEXT)}…` : message,
    retryable: false,
  });
}
