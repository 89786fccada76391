/**
 * Redis hashes ↔ the types of `core`. Scalars that scripts compare are fields of their own; whatever only
 * TypeScript reads is one JSON field. Records carry a schema version; a newer one is refused, not guessed at.
 */
import { z } from 'zod';
import { FAILURE_KINDS } from '../core/failure.ts';
import type { Guest } from '../core/guest.ts';
import { NewerSchemaError } from '../core/newer-schema.ts';
import { type Attempt, OPERATION_KINDS, type Operation } from '../core/operation.ts';
import { PROVIDER_NAMES } from '../core/provider-name.ts';
import { isReconnect, type Reconnect } from '../core/reconnect.ts';
import { SANDBOX_STATES, type Sandbox } from '../core/sandbox.ts';
import { WORKLOAD_TYPES } from '../core/start-request.ts';

export const SCHEMA_VERSION = 1;

export type Fields = Readonly<Record<string, string>>;

/** `HGETALL` inside a script comes back as a flat list. */
export function fieldsFromList(list: readonly string[]): Fields {
  const fields: Record<string, string> = {};
  for (let index = 0; index + 1 < list.length; index += 2) {
    fields[list[index] as string] = list[index + 1] as string;
  }
  return fields;
}

const provider = z.enum(PROVIDER_NAMES);
const stored = z.coerce.number();

function json<T extends z.ZodType>(schema: T) {
  return z
    .string()
    .transform((text) => JSON.parse(text) as unknown)
    .pipe(schema);
}

const templates = z.object({
  templates: z.array(z.object({ vmid: z.number(), expectedName: z.string() })),
});
export const sources = z.object({
  'pve-vm': templates.exactOptional(),
  'pve-lxc': templates.exactOptional(),
  morph: z.object({ snapshotId: z.string() }).exactOptional(),
});

const startRequest = z.object({
  size: z
    .object({ vcpus: z.number(), memoryMib: z.number(), diskGib: z.number().exactOptional() })
    .exactOptional(),
  preset: z.string().exactOptional(),
  sources: sources.exactOptional(),
  workloadType: z.enum(WORKLOAD_TYPES).exactOptional(),
  requiresRamSnapshot: z.boolean(),
  preferredProvider: provider.exactOptional(),
  allowFallback: z.boolean(),
  teamId: z.string().exactOptional(),
  userId: z.string().exactOptional(),
  taskRunId: z.string().exactOptional(),
  metadata: z.record(z.string(), z.string()),
  ttlSeconds: z.number().exactOptional(),
  onExpiry: z.enum(['pause', 'destroy']),
  idleTimeoutSeconds: z.number().exactOptional(),
  protected: z.boolean(),
});

const placement = z.object({
  provider,
  guestId: z.string(),
  nativeId: z.string(),
  vmid: z.number().exactOptional(),
  node: z.string().exactOptional(),
  hostname: z.string(),
  endpoints: z.array(z.object({ name: z.string(), port: z.number(), url: z.string() })),
  simulated: z.boolean(),
});

const flag = z.enum(['true', 'false']).transform((text) => text === 'true');

const sandboxSchema = z.object({
  id: z.string(),
  state: z.enum(SANDBOX_STATES),
  version: stored,
  epoch: stored,
  request: json(startRequest),
  createdAtMs: stored,
  updatedAtMs: stored,
  ttlFromMs: stored.exactOptional(),
  cause: z.string(),
  placement: json(placement).exactOptional(),
  fellBackFrom: json(z.array(provider)).exactOptional(),
  preservesRam: flag.exactOptional(),
  // What a later release adds is passed over.
  reconnect: json(z.array(z.string()).transform((names) => names.filter(isReconnect))).exactOptional(),
  setClock: flag.exactOptional(),
  restoredAtMs: stored.exactOptional(),
  remediation: z.string().exactOptional(),
});

const failure = z.object({
  kind: z.enum(FAILURE_KINDS),
  effect: z.enum(['none', 'unknown', 'applied']),
  message: z.string(),
  remediation: z.string().exactOptional(),
  retryAfterMs: z.number().exactOptional(),
  neverLeft: z.literal(true).exactOptional(),
  provider: provider.exactOptional(),
});

const attemptSchema = z.object({
  number: z.number(),
  provider,
  outcome: z.enum(['open', 'succeeded', 'failed', 'interrupted', 'superseded']),
  openedAtMs: z.number(),
  claimedAtMs: z.number().exactOptional(),
  endedAtMs: z.number().exactOptional(),
  failure: failure.exactOptional(),
  guestId: z.string().exactOptional(),
  holdSinceMs: z.number().exactOptional(),
  holdFor: z.enum(['permit', 'guest']).exactOptional(),
  followedBy: z.string().exactOptional(),
});

const operationFailure = z.object({
  code: z.enum([
    'no_provider_available',
    'provider_failed',
    'memory_lost',
    'ram_snapshot_unsupported',
    'sandbox_stuck',
    'sandbox_lost',
    'sandbox_ended',
    'no_capacity',
    'deadline_exceeded',
    'superseded',
  ]),
  message: z.string(),
  remediation: z.string().exactOptional(),
  retryable: z.boolean(),
  causes: z.array(failure),
});

const operationSchema = z.object({
  id: z.string(),
  kind: z.enum(OPERATION_KINDS),
  sandboxId: z.string(),
  guestId: z.string().exactOptional(),
  state: z.enum(['queued', 'begun', 'succeeded', 'failed', 'superseded']),
  options: json(
    z.union([
      z.strictObject({ requiresRamSnapshot: z.boolean() }),
      z.strictObject({ onLostMemory: z.enum(['fail', 'cold-boot']) }),
      z.strictObject({}),
    ]),
  ),
  route: json(
    z.object({
      candidates: z.array(provider),
      leftOut: z.array(z.object({ provider, reason: z.string() })),
      passedOver: provider.exactOptional(),
    }),
  ),
  createdAtMs: stored,
  deadlineAtMs: stored,
  settledAtMs: stored.exactOptional(),
  failure: json(operationFailure).exactOptional(),
  memoryKept: flag.exactOptional(),
  clock: json(z.object({ behindMs: z.number(), isRight: z.boolean() })).exactOptional(),
  coldBooted: flag.exactOptional(),
  requestedBy: z.string().exactOptional(),
  reserved: json(z.object({ budgets: z.array(z.string()), microUsd: z.number() })).exactOptional(),
  pinnedActivity: stored.exactOptional(),
  pinnedState: z.enum(SANDBOX_STATES).exactOptional(),
  pinBroken: z.string().exactOptional(),
  sentAtMs: stored.exactOptional(),
});

const marker = z.object({
  deployment: z.string(),
  install: z.string(),
  sandbox: z.string(),
  guest: z.string(),
  vmid: z.number().exactOptional(),
  operation: z.string(),
  attempt: z.number(),
  preset: z.string().exactOptional(),
  team: z.string().exactOptional(),
  user: z.string().exactOptional(),
  taskRun: z.string().exactOptional(),
  workload: z.string().exactOptional(),
  ttlSeconds: z.number().exactOptional(),
  protected: z.boolean().exactOptional(),
  idleTimeoutSeconds: z.number().exactOptional(),
  onExpiry: z.enum(['pause', 'destroy']).exactOptional(),
  requiresRam: z.boolean().exactOptional(),
  createdAtMs: z.number().exactOptional(),
});

const size = z.object({ vcpus: z.number(), memoryMib: z.number(), diskGib: z.number().exactOptional() });
const billedSize = z.object({ vcpus: z.number(), memoryMib: z.number(), diskGib: z.number() });

const intent = z.object({
  size: size.exactOptional(),
  memoryMib: z.number().exactOptional(),
  provider,
  guestId: z.string(),
  failureDomain: z.string(),
  source: z.string(),
  node: z.string().exactOptional(),
  vmid: z.number().exactOptional(),
  marker,
  metadata: z.record(z.string(), z.string()),
});

const ref = z.object({
  provider,
  guestId: z.string(),
  nativeId: z.string(),
  node: z.string().exactOptional(),
});

const guestSchema = z.object({
  id: z.string(),
  sandboxId: z.string(),
  state: z.enum(['creating', 'live', 'condemned', 'stuck', 'unowned', 'gone']),
  provider,
  intent: json(intent),
  ref: json(ref).exactOptional(),
  sentAtMs: stored.exactOptional(),
  creationTask: z.string().exactOptional(),
  billedSize: json(billedSize).exactOptional(),
  meantFor: provider.exactOptional(),
  createdByOperation: z.string(),
  condemnedAtMs: stored.exactOptional(),
  sealedSecrets: json(z.record(z.string(), z.string())).exactOptional(),
  cause: z.string().exactOptional(),
});

export function parseSandbox(fields: Fields): Sandbox {
  const { reconnect, setClock = false, ...sandbox } = parse('sandbox', sandboxSchema, fields);
  // A release that does not know `setClock` leaves it behind, and ends the list with the next pause.
  if (reconnect === undefined) return sandbox;
  return { ...sandbox, reconnect: setClock ? [...reconnect, 'clock'] : reconnect };
}

/** Without the list neither. The clock is a field of its own: 0.1.0 refuses a list that names it. */
export function reconnectFields(reconnect: readonly Reconnect[] | undefined) {
  if (reconnect === undefined) return { reconnect: null, setClock: null };
  return {
    reconnect: JSON.stringify(reconnect.filter((each) => each !== 'clock')),
    setClock: reconnect.includes('clock') ? 'true' : null,
  };
}

export function parseGuest(fields: Fields): Guest {
  return parse('guest', guestSchema, fields);
}

export function parseOperation(fields: Fields): Operation {
  const { pinnedActivity, pinnedState, ...operation } = parse('operation', operationSchema, fields);
  const attempts: Attempt[] = [];
  for (let number = 1; number <= Number(fields.attempt ?? 0); number += 1) {
    const claimedAtMs = fields[`claimedAtMs:${number}`];
    const attempt = attemptSchema.parse(JSON.parse(fields[`attempt:${number}`] ?? 'null'));
    attempts.push(claimedAtMs === undefined ? attempt : { ...attempt, claimedAtMs: Number(claimedAtMs) });
  }
  const pinned = pinnedActivity !== undefined && pinnedState !== undefined;
  const pin = pinned ? { pin: { activitySequence: pinnedActivity, state: pinnedState } } : {};
  return { ...operation, ...pin, attempts };
}

function parse<T extends z.ZodType>(what: string, schema: T, fields: Fields): z.output<T> {
  const version = Number(fields.schemaVersion);
  if (version > SCHEMA_VERSION) throw new NewerSchemaError(`${what} ${fields.id}`, version);
  return schema.parse(fields);
}
