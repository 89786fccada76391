/** Requests as callers write them, checked at the edge; every problem is reported at once. */
import { z } from 'zod';
import { LifecycleError } from '../core/lifecycle-error.ts';
import type { PauseOptions, ResumeOptions } from '../core/operation.ts';
import { normaliseProviderName } from '../core/provider-name.ts';
import { type StartRequest, WORKLOAD_TYPES } from '../core/start-request.ts';

/** Longest id or name a caller may pass; they end up in records, markers and pages. */
const MAX_TEXT = 200;
/** Morph keeps metadata with every guest: room for cmux's dozen entries, not for documents. */
const MAX_METADATA_ENTRIES = 50;
const MAX_METADATA_VALUE = 2_000;
const MAX_SECONDS = 365 * 24 * 60 * 60;

const text = z.string().min(1).max(MAX_TEXT);
const seconds = z.int().min(1).max(MAX_SECONDS);

const templates = z.strictObject({
  templates: z
    .array(z.strictObject({ vmid: z.int().min(100).max(999_999_999), expectedName: text }))
    .min(1)
    .max(20),
});

/** Aliases such as `proxmox-kvm` are understood; `proxmox` alone means full VMs here. */
const providerName = z.string().transform((name, context) => {
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

/** What a caller passes to `start`; everything but a preset (or sources) may be left out. */
export type StartInput = z.input<typeof startRequestSchema>;

export const pauseOptionsSchema = z.strictObject({ requiresRamSnapshot: z.boolean().default(true) });
export const resumeOptionsSchema = z.strictObject({
  onLostMemory: z.enum(['fail', 'cold-boot']).default('fail'),
});

export function parseStart(input: unknown): StartRequest {
  return parse(startRequestSchema, input);
}

export function parsePause(input: unknown): PauseOptions {
  return parse(pauseOptionsSchema, input ?? {});
}

export function parseResume(input: unknown): ResumeOptions {
  return parse(resumeOptionsSchema, input ?? {});
}

/** @throws `LifecycleError` with code `invalid_request` that names every field and what is wrong with it */
export function parse<T extends z.ZodType>(schema: T, input: unknown): z.output<T> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join('.') || 'request'}: ${issue.message}`,
  );
  throw new LifecycleError({ code: 'invalid_request', message: problems.join('; '), retryable: false });
}
