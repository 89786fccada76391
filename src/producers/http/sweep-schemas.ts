/** The shapes of what is answered about sweeps. */
import { z } from 'zod';
import type { SweepView } from '../../core/sweep.ts';

const unixMs = z.int().describe('Unix time, ms');

const runSchema = z.object({
  runId: z.string(),
  startedAtMs: unixMs,
  tookMs: z.int(),
  by: z.string().exactOptional().describe('Who asked for it; absent: its schedule.'),
  dryRun: z.boolean(),
  counts: z.record(z.string(), z.number()),
  error: z.string().exactOptional(),
});

export const sweepSchema = z.object({
  name: z.string(),
  description: z.string(),
  schedule: z.union([z.object({ everyMs: z.int() }), z.object({ cron: z.string(), timeZone: z.string() })]),
  mayPause: z.boolean(),
  paused: z.object({ by: z.string(), sinceMs: unixMs }).exactOptional(),
  nextAtMs: unixMs.exactOptional().describe('Absent: no process runs it.'),
  lastRun: runSchema.exactOptional(),
  runs: z.array(runSchema).describe('Newest first: those that did something, failed, or were asked for.'),
});
sweepSchema satisfies z.ZodType<SweepView>;

export const sweepsSchema = z.object({ sweeps: z.array(sweepSchema) });
