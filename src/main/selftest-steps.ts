/**
 * One sandbox's life on a provider, each assumption that the product rests on put to the test: held or broken, with
 * its duration. At most one guest at a time, ten minutes at most, and nothing is destroyed that was not made here.
 */
import type { GuestIntent } from '../core/guest.ts';
import type { Preset } from '../core/start-request.ts';
import { createGuestId } from '../platform/ids.ts';
import type { GuestFacts, Provider, ProviderCall } from '../providers/provider.ts';
import { isProviderError } from '../providers/provider-error.ts';
import { waitUntilUsable } from '../providers/readiness.ts';

export interface Assumption {
  readonly verdict: 'held' | 'broken' | 'not proved';
  readonly name: string;
  readonly durationMs: number;
  readonly detail?: string;
}

export interface SelftestOptions {
  readonly deployment: { readonly name: string; readonly installId: string };
  readonly preset: Preset;
  readonly usableTimeoutMs: number;
  readonly report: (assumption: Assumption) => void;
  readonly signal: AbortSignal;
}

/** What was asked of a guest cannot be known of this one. */
class NotProvable extends Error {}

/** How long a guest is left to count before and after its pause. */
const COUNTING_MS = 1_000;
/** Requests leave at once; this is the fence's own bound. */
const SEND_DEADLINE_MS = 2_000;
/** Tries of the clean-up, two seconds apart: clones and locks end meanwhile. */
const CLEAN_UP_TRIES = 30;

/** True when no assumption broke and nothing is left behind. */
export async function runSelftest(provider: Provider, options: SelftestOptions): Promise<boolean> {
  let broken = 0;
  const assume = async <T>(name: string, test: () => Promise<T>): Promise<T | undefined> => {
    const startedMs = performance.now();
    const tell = (verdict: Assumption['verdict'], detail?: string) =>
      options.report({
        verdict,
        name,
        durationMs: Math.round(performance.now() - startedMs),
        ...(detail === undefined ? {} : { detail }),
      });
    try {
      const result = await test();
      tell('held');
      return result;
    } catch (error) {
      const unknown = error instanceof NotProvable;
      if (!unknown) broken += 1;
      tell(unknown ? 'not proved' : 'broken', describe(error));
      return undefined;
    }
  };
  let intent: GuestIntent | undefined;
  const call = callWith(options.signal);
  try {
    await assume('the endpoint answers and takes our credentials', async () => {
      const { healthy, detail } = await provider.probe(call);
      if (!healthy) throw new Error(detail);
    });
    intent = await assume('template or snapshot, place and id are found', () =>
      provider.prepare(specFor(provider, options), call),
    );
    if (intent !== undefined) await live(provider, intent, options, call, assume);
  } finally {
    if (intent !== undefined) await cleanUp(provider, intent, assume);
  }
  return broken === 0;
}

type Assume = <T>(name: string, test: () => Promise<T>) => Promise<T | undefined>;

async function live(
  provider: Provider,
  intent: GuestIntent,
  { usableTimeoutMs, signal }: SelftestOptions,
  call: ProviderCall,
  assume: Assume,
): Promise<void> {
  const { preservesRam } = provider.capabilities;
  const facts = await assume('a guest is made and boots', async () =>
    provider.bringUp(intent, await provider.create(intent, call), call),
  );
  if (facts === undefined) return;
  await assume('its services answer', () =>
    waitUntilUsable(facts.endpoints, { signal, timeoutMs: usableTimeoutMs }),
  );
  await assume('it is found again by its marker alone', async () => {
    const { kind } = await provider.look(intent, call);
    if (kind !== 'ours') throw new Error(`it is ${kind}`);
  });
  const counter = await readCounter(facts, signal);
  await new Promise((resolve) => setTimeout(resolve, COUNTING_MS));
  const paused = await assume(
    preservesRam ? 'it is suspended with its memory' : 'it is shut down',
    async () => {
      const result = await provider.pause(facts.ref, call);
      if (result.preservesRam !== preservesRam) throw new Error('its memory was not kept');
      return result;
    },
  );
  if (paused === undefined) return;
  await assume('pausing it again changes nothing', () => provider.pause(facts.ref, call));
  const resumed = await assume('it comes back', async () => {
    const result = await provider.resume(facts.ref, { allowColdBoot: !preservesRam }, call);
    await waitUntilUsable(result.facts.endpoints, { signal, timeoutMs: usableTimeoutMs });
    return result;
  });
  if (resumed === undefined || !preservesRam) return;
  await assume('what it counted in its memory goes on', async () => {
    const now = await readCounter(resumed.facts, signal);
    if (counter === undefined || now === undefined) throw new NotProvable('the guest serves no counter');
    if (now < counter) throw new Error(`it had counted to ${counter} and begins anew at ${now}`);
  });
}

/** Simulated guests serve one; so may a template that somebody prepared: `{"counter": 1}` on its first port. */
async function readCounter({ endpoints }: GuestFacts, signal: AbortSignal): Promise<number | undefined> {
  const url = endpoints[0]?.url;
  if (url === undefined) return undefined;
  try {
    const body: unknown = await (await fetch(url, { signal })).json();
    const counter = (body as { counter?: unknown } | null)?.counter;
    return typeof counter === 'number' ? counter : undefined;
  } catch {
    // Something else answers there, and that is all that was asked.
    return undefined;
  }
}

async function cleanUp(provider: Provider, intent: GuestIntent, assume: Assume): Promise<void> {
  await assume('it is destroyed, and proved absent', async () => {
    // Its own patience: what was made is removed after an abort too.
    const call = callWith(AbortSignal.timeout(CLEAN_UP_TRIES * SEND_DEADLINE_MS * 2));
    let last: unknown;
    for (let tries = 0; tries < CLEAN_UP_TRIES; tries += 1) {
      try {
        const sighting = await provider.look(intent, call);
        if (sighting.kind === 'absent') return;
        if (sighting.kind === 'foreign')
          throw new Error(`somebody else's guest is there: ${sighting.detail}`);
        if (sighting.kind === 'ours' || sighting.kind === 'remains')
          await provider.destroy(sighting.ref, call);
      } catch (error) {
        if (!isProviderError(error) || error.report.kind === 'stuck') throw error;
        last = error;
      }
      await new Promise((resolve) => setTimeout(resolve, tries === 0 ? 0 : SEND_DEADLINE_MS));
    }
    throw last ?? new Error(`${intent.guestId} is still there`);
  });
}

function specFor(provider: Provider, { deployment, preset }: SelftestOptions) {
  const guestId = createGuestId(provider.guestIdPrefix);
  return {
    guestId,
    sources: preset.sources,
    size: { vcpus: preset.vcpus, memoryMib: preset.memoryMib },
    marker: {
      deployment: deployment.name,
      install: deployment.installId,
      sandbox: `selftest-${guestId}`,
      guest: guestId,
      operation: `selftest-${guestId}`,
      attempt: 1,
      preset: preset.name,
    },
    metadata: { app: 'cmux-lifecycle-selftest' },
  };
}

function callWith(signal: AbortSignal): ProviderCall {
  return {
    signal,
    holder: `selftest-${process.pid}`,
    step: (_name, send) => send(performance.now() + SEND_DEADLINE_MS),
  };
}

function describe(error: unknown): string {
  if (!isProviderError(error)) return error instanceof Error ? error.message : String(error);
  return [error.report.message, error.report.remediation].filter(Boolean).join('. ');
}
