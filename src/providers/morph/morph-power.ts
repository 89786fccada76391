/**
 * An instance's life after its start. Each call reads the state, does what is missing and waits; a refusal that
 * speaks of the state (409, 412), and a reply that got lost, lead back to reading.
 */
import type { Endpoint, GuestRef } from '../../core/guest.ts';
import { markerFromMetadata } from '../../core/marker.ts';
import type { GuestFacts, PauseResult, ProviderCall, ResumeResult } from '../provider.ts';
import { isProviderError, ProviderError, withEffect } from '../provider-error.ts';
import { pollUntil } from '../wait.ts';
import type { MorphInstance } from './morph-api.ts';
import { setWakeOn } from './morph-configure.ts';
import type { MorphContext } from './morph-context.ts';

/** Starts and resumes take a second or two (facts A7); longer than this, something is wrong. */
const READY_TIMEOUT_MS = 120_000;
/** Writing the memory of the largest preset; nothing is published. */
const PAUSED_TIMEOUT_MS = 300_000;
/** For an instance that is ready and lists no services yet (facts A3). */
const SERVICES_TIMEOUT_MS = 15_000;
const GONE_TIMEOUT_MS = 30_000;

export async function bringUpInstance(
  ref: GuestRef,
  context: MorphContext,
  call: ProviderCall,
): Promise<GuestFacts> {
  // 404 for an id that Morph itself gave proves absence; before the first sight nothing else is known.
  const first = await requireOwn(ref, context, call).catch((error: unknown) => {
    const isGone = isProviderError(error) && error.report.kind === 'not_found';
    throw isGone ? error : atLeast('unknown', error);
  });
  try {
    await waitFor('ready', first, ref, READY_TIMEOUT_MS, context, call);
    await setWakeOn(await requireOwn(ref, context, call), context, call);
    return await readFacts(ref, context, call);
  } catch (error) {
    const isGone = isProviderError(error) && error.report.kind === 'not_found';
    throw isGone ? error : atLeast('applied', error);
  }
}

export async function pauseInstance(
  ref: GuestRef,
  context: MorphContext,
  call: ProviderCall,
): Promise<PauseResult> {
  const before = await requireOwn(ref, context, call);
  const pause = { step: 'suspend', method: 'POST', path: `${pathOf(ref)}/pause` } as const;
  const failure = isOneOf(before, 'paused', 'saving')
    ? undefined
    : await judged(context.api.change(pause, call));
  const after = await requireOwn(ref, context, call).catch((error: unknown) => {
    throw failure === undefined || !isProviderError(error) ? atLeast('applied', error) : failure;
  });
  if (failure !== undefined && !isOneOf(after, 'paused', 'saving')) throw failure;
  await waitFor('paused', after, ref, PAUSED_TIMEOUT_MS, context, call);
  return { preservesRam: true };
}

export async function resumeInstance(
  ref: GuestRef,
  context: MorphContext,
  call: ProviderCall,
): Promise<ResumeResult> {
  let before = await requireOwn(ref, context, call);
  // A pause or a snapshot is under way; both end by themselves.
  if (isOneOf(before, 'saving')) {
    before = await waitFor('ready|paused', before, ref, PAUSED_TIMEOUT_MS, context, call);
  }
  const resume = { step: 'resume', method: 'POST', path: `${pathOf(ref)}/resume` } as const;
  const failure = isOneOf(before, 'ready', 'pending')
    ? undefined
    : await judged(context.api.change(resume, call));
  const after = await requireOwn(ref, context, call).catch((error: unknown) => {
    throw failure === undefined || !isProviderError(error) ? atLeast('applied', error) : failure;
  });
  if (failure !== undefined && !isOneOf(after, 'ready', 'pending')) throw failure;
  await waitFor('ready', after, ref, READY_TIMEOUT_MS, context, call);
  return { facts: await readFacts(ref, context, call), memoryKept: true };
}

export async function destroyInstance(
  ref: GuestRef,
  context: MorphContext,
  call: ProviderCall,
): Promise<void> {
  if ((await findOwn(ref, context, call)) === undefined) return;
  const remove = { step: 'destroy', method: 'DELETE', path: pathOf(ref) } as const;
  const failure = await judged(context.api.change(remove, call));
  const gone = await pollUntil(
    async () => {
      if ((await findOwn(ref, context, call)) === undefined) return true;
      if (failure !== undefined) throw failure;
      return undefined;
    },
    { signal: call.signal, timeoutMs: GONE_TIMEOUT_MS },
  );
  if (gone) return;
  throw failed('provider_error', 'applied', `${ref.nativeId} is still there after its deletion`);
}

/** The instance, proved ours, or `undefined` when Morph does not know it. */
async function findOwn(
  ref: GuestRef,
  context: MorphContext,
  call: ProviderCall,
): Promise<MorphInstance | undefined> {
  const instance = await context.api.find(ref.nativeId, call);
  if (instance === undefined) return undefined;
  if (markerFromMetadata(instance.metadata)?.guest === ref.guestId) return instance;
  throw failed(
    'foreign_guest',
    'none',
    `${ref.nativeId} does not carry the marker of ${ref.guestId} and stays untouched`,
  );
}

async function requireOwn(ref: GuestRef, context: MorphContext, call: ProviderCall): Promise<MorphInstance> {
  const instance = await findOwn(ref, context, call);
  if (instance !== undefined) return instance;
  throw failed('not_found', 'none', `Morph knows no instance ${ref.nativeId}`);
}

/** Waits until the state is one of those named (joined by `|`); `error` ends the wait. */
async function waitFor(
  wanted: string,
  seen: MorphInstance,
  ref: GuestRef,
  timeoutMs: number,
  context: MorphContext,
  call: ProviderCall,
): Promise<MorphInstance> {
  let last = seen;
  const states = wanted.split('|');
  const reached = await pollUntil(
    async (elapsedMs) => {
      if (elapsedMs > 0 && !states.includes(last.status ?? '')) last = await requireOwn(ref, context, call);
      if (last.status === 'error') {
        throw failed('guest_failed', 'applied', `Morph reports that ${ref.nativeId} has failed`);
      }
      return states.includes(last.status ?? '') ? last : undefined;
    },
    { signal: call.signal, timeoutMs },
  );
  if (reached !== undefined) return reached;
  const text = `${ref.nativeId} is still ${last.status ?? 'without status'} after ${timeoutMs / 1000} s`;
  throw failed('timed_out', 'applied', text);
}

/** Read anew: the reply to a start lists no services yet. A port that the snapshot does not expose is left out. */
async function readFacts(ref: GuestRef, context: MorphContext, call: ProviderCall): Promise<GuestFacts> {
  const endpoints = await pollUntil(
    async () => {
      const { networking } = await requireOwn(ref, context, call);
      const services = networking?.http_services ?? [];
      const known = context.servicePorts.flatMap(({ name, port }): readonly Endpoint[] => {
        const service = services.find((candidate) => candidate.port === port);
        return service === undefined ? [] : [{ name, port, url: service.url }];
      });
      return known.length > 0 ? known : undefined;
    },
    { signal: call.signal, timeoutMs: SERVICES_TIMEOUT_MS },
  );
  if (endpoints !== undefined) return { ref, hostname: ref.nativeId, endpoints };
  const ports = context.servicePorts.map(({ port }) => port).join(', ');
  throw failed('never_usable', 'applied', `${ref.nativeId} exposes none of the ports ${ports}`);
}

/** The failure, when only the instance's state can tell what it means; others are thrown. */
async function judged(work: Promise<unknown>): Promise<ProviderError | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (!isProviderError(error)) throw error;
    const { kind, effect } = error.report;
    if (effect === 'unknown' || kind === 'wrong_state' || kind === 'not_found') return error;
    throw error;
  }
}

function atLeast(effect: 'unknown' | 'applied', error: unknown): unknown {
  return isProviderError(error) && error.report.effect !== 'applied' ? withEffect(error, effect) : error;
}

function isOneOf(instance: MorphInstance, ...states: readonly string[]): boolean {
  return states.includes(instance.status ?? '');
}

function pathOf(ref: GuestRef): string {
  return `/instance/${encodeURIComponent(ref.nativeId)}`;
}

function failed(
  kind: 'guest_failed' | 'timed_out' | 'never_usable' | 'not_found' | 'foreign_guest' | 'provider_error',
  effect: 'none' | 'unknown' | 'applied',
  message: string,
): ProviderError {
  return new ProviderError({ kind, effect, message, provider: 'morph' });
}
