/**
 * Morph Cloud: instances that start from a snapshot, memory included, and keep it over a pause.
 *
 * Instances are found by the marker in their metadata, because a start has no idempotency key and its reply may
 * get lost. State is read from the API alone: a request to a service, or an `exec`, may wake a paused instance
 * (facts A4).
 */
import type { GuestIntent, GuestRef } from '../../core/guest.ts';
import { markerFromMetadata, markerMetadataKey, markerToMetadata } from '../../core/marker.ts';
import { rememberingSteps } from '../acted.ts';
import type { HttpClient } from '../http-client.ts';
import type {
  BilledFacts,
  BilledPart,
  CreatedGuest,
  GuestObservation,
  GuestSpec,
  ListedGuest,
  Provider,
  ProviderCall,
  ProviderHealth,
  Sighting,
} from '../provider.ts';
import { isProviderError, ProviderError } from '../provider-error.ts';
import { DEFAULT_SERVICE_PORTS, type ServicePort } from '../service-ports.ts';
import { createMorphApi, type MorphInstance } from './morph-api.ts';
import { configureInstance, isConfigured } from './morph-configure.ts';
import type { MorphContext } from './morph-context.ts';
import { conditionOf, observeInstance } from './morph-observe.ts';
import { bringUpInstance, destroyInstance, pauseInstance, resumeInstance } from './morph-power.ts';

export interface MorphDeps {
  /** Made by `createMorphHttpClient`. */
  readonly http: HttpClient;
}

export interface MorphOptions {
  /** What fails together with it: names the account. */
  readonly failureDomain: string;
  readonly simulated: boolean;
  readonly servicePorts?: readonly ServicePort[];
  /**
   * Whether traffic or SSH wakes a paused instance. Default: neither (cmux sets both). An instance that wakes by
   * itself runs, and costs, without the registry's knowledge, and any open browser tab wakes it.
   */
  readonly wakeOn?: { readonly http: boolean; readonly ssh: boolean };
  /**
   * The dead-man switch: Morph pauses an instance when nobody has renewed its TTL for this long, so that a control
   * plane that is gone cannot run up a bill. 0: off. Default 4 h. Unit: s.
   */
  readonly deadManSeconds?: number;
  readonly requestTimeoutMs?: number;
}

/**
 * How long after the request an instance may still be missing in the list. Nothing is published; the start is
 * dispatched within its own request, which our timeout bounds at 120 s, but what is lost is mostly the reply.
 */
const VISIBILITY_BOUND_MS = 30_000;

/** A night's outage costs four hours of it, and one of less than two hours pauses nobody. */
const DEFAULT_DEAD_MAN_SECONDS = 4 * 60 * 60;
/** Renewed with as much left as has gone by: an outage shorter than half the TTL is never felt. */
const RENEWED_AFTER_SHARE = 0.5;

export function createMorphProvider(deps: MorphDeps, options: MorphOptions): Provider {
  const timeout =
    options.requestTimeoutMs === undefined ? {} : { requestTimeoutMs: options.requestTimeoutMs };
  const context: MorphContext = {
    api: createMorphApi(deps.http, timeout),
    servicePorts: options.servicePorts ?? DEFAULT_SERVICE_PORTS,
    wakeOn: options.wakeOn ?? { http: false, ssh: false },
    deadManSeconds: options.deadManSeconds ?? DEFAULT_DEAD_MAN_SECONDS,
  };
  // Without a switch it is only looked whether somebody else has set anything.
  const renewedSeconds = context.deadManSeconds || DEFAULT_DEAD_MAN_SECONDS;
  return {
    name: 'morph',
    guestIdPrefix: 'morph-',
    capabilities: { preservesRam: true },
    failureDomain: options.failureDomain,
    simulated: options.simulated,
    visibilityBoundMs: VISIBILITY_BOUND_MS,
    prepare: async (spec, call) => {
      call.signal.throwIfAborted();
      return prepare(spec, options.failureDomain);
    },
    create: (intent, call) => createInstance(intent, context, call),
    look: (intent, call) => look(intent, context, call),
    bringUp: (_intent, created, call) => bringUpInstance(created.ref, context, call),
    pause: (ref, call) => rememberingSteps(call, (watched) => pauseInstance(ref, context, watched)),
    resume: (ref, _options, call) =>
      rememberingSteps(call, (watched) => resumeInstance(ref, context, watched)),
    destroy: (ref, call) => rememberingSteps(call, (watched) => destroyInstance(ref, context, watched)),
    inspect: (ref, call) => inspect(ref, context, call),
    configure: (ref, call) => rememberingSteps(call, (watched) => configureInstance(ref, context, watched)),
    configureEveryMs: renewedSeconds * RENEWED_AFTER_SHARE * 1_000,
    list: (call) => list(context, call),
    billed: (days, call) => readBilled(days, context, call),
    probe: (call) => probe(context, call),
  };
}

/** Nothing is asked: a snapshot that is gone is refused by the start itself, before anything happens. */
function prepare(spec: GuestSpec, failureDomain: string): GuestIntent {
  const source = spec.sources.morph?.snapshotId;
  if (source === undefined) {
    throw new ProviderError({
      kind: 'source_missing',
      effect: 'none',
      message: 'the preset names no snapshot for morph',
      remediation: 'Add sources.morph.snapshotId to the preset.',
      provider: 'morph',
    });
  }
  const { guestId, marker, metadata } = spec;
  return { provider: 'morph', guestId, failureDomain, source, marker, metadata };
}

async function createInstance(
  intent: GuestIntent,
  context: MorphContext,
  call: ProviderCall,
): Promise<CreatedGuest> {
  const { deadManSeconds } = context;
  const json = {
    // Ours last: a caller cannot sign for us.
    metadata: { ...intent.metadata, ...markerToMetadata(intent.marker) },
    // The dead-man switch; what the caller set as time to live is ours to keep. Always with its action: Morph's
    // default is `stop`, and that deletes (facts A4).
    ...(deadManSeconds === 0 ? {} : { ttl_seconds: deadManSeconds, ttl_action: 'pause' }),
  };
  const query = { snapshot_id: intent.source };
  try {
    const created = await context.api.change(
      { step: 'create', method: 'POST', path: '/instance', query, json },
      call,
    );
    if (created === undefined) throw new Error('a start answers its instance');
    return { ref: refOf(intent.guestId, created), billed: billedFacts(created) };
  } catch (error) {
    if (!isProviderError(error) || error.report.kind !== 'not_found') throw error;
    throw new ProviderError({
      ...error.report,
      kind: 'source_missing',
      message: `there is no snapshot ${intent.source} in this Morph account`,
      remediation: 'Correct sources.morph.snapshotId of the preset, or MORPH_API_KEY.',
      cause: error,
    });
  }
}

async function look(intent: GuestIntent, context: MorphContext, call: ProviderCall): Promise<Sighting> {
  const found = await context.api.list({ [markerMetadataKey('guest')]: intent.guestId }, call);
  // The oldest, should somebody have copied one with its metadata.
  const [first] = found
    .filter(({ metadata }) => markerFromMetadata(metadata)?.guest === intent.guestId)
    .toSorted((a, b) => (a.created ?? 0) - (b.created ?? 0));
  return first === undefined
    ? { kind: 'absent' }
    : { kind: 'ours', ref: refOf(intent.guestId, first), billed: billedFacts(first) };
}

async function inspect(ref: GuestRef, context: MorphContext, call: ProviderCall): Promise<GuestObservation> {
  const instance = await context.api.find(ref.nativeId, call);
  if (instance === undefined) return { condition: 'gone', detail: 'Morph knows no such instance' };
  return observeInstance(instance, ref);
}

async function list(context: MorphContext, call: ProviderCall): Promise<readonly ListedGuest[]> {
  const instances = await context.api.list({}, call);
  return instances.flatMap((instance) => {
    const marker = markerFromMetadata(instance.metadata);
    if (marker === undefined) return [];
    const condition = conditionOf(instance);
    const settingsDiffer = condition === 'running' && !isConfigured(instance, context);
    const listed = { ref: refOf(marker.guest, instance), condition, marker };
    return [settingsDiffer ? { ...listed, settingsDiffer } : listed];
  });
}

async function probe(context: MorphContext, call: ProviderCall): Promise<ProviderHealth> {
  try {
    await context.api.check(call);
    return { healthy: true, detail: 'Morph Cloud answers' };
  } catch (error) {
    if (!isProviderError(error)) throw error;
    const { message, remediation } = error.report;
    return { healthy: false, detail: [message, remediation].filter(Boolean).join(' ') };
  }
}

/** `created` is in seconds, sizes are in MB (facts A1). */
function billedFacts({ created, spec }: MorphInstance): BilledFacts {
  return {
    ...(created === undefined ? {} : { sinceMs: created * 1_000 }),
    ...(spec
      ? {
          size: {
            vcpus: spec.vcpus,
            memoryMib: spec.memory,
            diskGib: Math.ceil(spec.disk_size / 1024),
          },
        }
      : {}),
  };
}

/** One part per bucket; all services and kinds of resource share their buckets. */
async function readBilled(
  days: number,
  context: MorphContext,
  call: ProviderCall,
): Promise<readonly BilledPart[]> {
  const { services } = await context.api.usage(`${days}d`, call);
  const parts = new Map<number, { fromMs: number; toMs: number; cents: number }>();
  for (const bucket of services.flatMap((service) => service.resource_types.flatMap((of) => of.buckets))) {
    const fromMs = Math.round(bucket.period_start * 1_000);
    const part = parts.get(fromMs) ?? { fromMs, toMs: Math.round(bucket.period_end * 1_000), cents: 0 };
    part.cents += bucket.cents;
    parts.set(fromMs, part);
  }
  return [...parts.values()].sort((a, b) => a.fromMs - b.fromMs);
}

function refOf(guestId: string, instance: MorphInstance): GuestRef {
  return { provider: 'morph', guestId, nativeId: instance.id };
}
