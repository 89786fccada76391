import { z } from 'zod';
import { MorphFailure, type ValidationProblem } from './morph-failure.ts';

/** Request bodies. Unknown fields are ignored, as FastAPI does by default. */
const metadata = z.record(z.string(), z.string());
const ttlAction = z.enum(['stop', 'pause']).nullish();
const ttlSeconds = z.number().positive().nullable();

export const startBody = z
  .object({
    /** Newer servers take it here too, and prefer it to the query's. */
    snapshot_id: z.string().nullish(),
    metadata: metadata.nullish(),
    ttl_seconds: ttlSeconds.optional(),
    ttl_action: ttlAction,
  })
  .nullish();

export const ttlBody = z.object({ ttl_seconds: ttlSeconds, ttl_action: ttlAction });
export const wakeBody = z.object({
  wake_on_http: z.boolean().optional(),
  wake_on_ssh: z.boolean().optional(),
});
export const metadataBody = metadata;
export const exposeBody = z.object({
  name: z.string().min(1),
  port: z.int().min(1).max(65_535),
  auth_mode: z.enum(['none', 'api_key']).nullish(),
});

/** Parses a JSON body; every problem at once, as 422 with `loc` beginning at `body`. */
export function parseBody<S extends z.ZodType>(schema: S, body: Buffer): z.output<S> {
  let value: unknown;
  try {
    value = body.length === 0 ? undefined : JSON.parse(body.toString());
  } catch {
    throw new MorphFailure(422, [{ loc: ['body', 0], msg: 'JSON decode error', type: 'json_invalid' }]);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new MorphFailure(
    422,
    result.error.issues.map((issue) => toProblem(issue, value)),
  );
}

function toProblem(issue: z.core.$ZodIssue, body: unknown): ValidationProblem {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  const loc = ['body', ...path];
  const isMissing = issue.code === 'invalid_type' && valueAt(body, path) === undefined;
  return isMissing
    ? { loc, msg: 'Field required', type: 'missing' }
    : { loc, msg: issue.message, type: issue.code };
}

function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (at as Record<string | number, unknown> | undefined)?.[key],
    value,
  );
}
