import type { FaultSource } from '../fault-plan.ts';
import { coldBoot, freeze, NEVER_BOOTED, thaw } from '../guest-memory.ts';
import type { Timers } from '../timers.ts';
import { MorphFailure, wrongState } from './morph-failure.ts';
import type { MorphLatency, SimulatedSnapshot } from './morph-options.ts';
import { createMorphStore, type MorphInstance, type MorphStore, type TtlAction } from './morph-store.ts';
import { armTtl, createTtlWatch } from './morph-ttl.ts';

/**
 * What happens to instances: `pending → ready`, `ready → saving → paused`, `paused → pending → ready`. Faults for the
 * task types `start` (a resume ends with it too) and `pause`: `fail-task` ends in `error`, `kill-task` stays stuck in
 * the transition, `slow-task` takes longer.
 */
export interface MorphInstances extends MorphStore {
  readonly hasCredits: () => boolean;
  /** Answers the `pending` instance; it becomes `ready` after a while. Throws 402 without credits. */
  readonly start: (snapshot: SimulatedSnapshot, request: StartRequest) => MorphInstance;
  /** Resolves when the instance is `paused`; an already paused one is left as it is. Throws 404, 409. */
  readonly pause: (id: string) => Promise<MorphInstance>;
  /** Answers the `pending` instance; `ready` follows. Begins the TTL anew. Throws 404, 402, and 409 unless paused. */
  readonly resume: (id: string) => MorphInstance;
  /** Without an action the current one stays; null seconds clear the TTL. */
  readonly setTtl: (id: string, seconds: number | null, action: TtlAction | null) => MorphInstance;
}

export interface StartRequest {
  readonly metadata: Readonly<Record<string, string>>;
  readonly ttlSeconds: number | null;
  readonly ttlAction: TtlAction | null;
}

export interface MorphInstancesDeps {
  readonly timers: Timers;
  readonly nowMs: () => number;
  readonly faults: FaultSource;
  readonly latency: MorphLatency;
  readonly onChange: () => void;
  readonly newId: () => string;
  readonly hasCredits: () => boolean;
}

/** What cmux's snapshots expose (facts/morph-and-cmux.md B2). */
const SNAPSHOT_PORTS = [39377, 39378, 39379, 39380, 39381];

export function createMorphInstances(
  deps: MorphInstancesDeps,
  restored: readonly MorphInstance[],
): MorphInstances {
  const { timers, nowMs, latency } = deps;
  const store = createMorphStore(restored, deps.onChange);
  const transitions = createTransitions(deps, store);

  const pause = async (id: string): Promise<MorphInstance> => {
    const instance = store.get(id);
    if (instance.status === 'paused') return instance;
    if (instance.status !== 'ready') throw wrongState(id, instance.status, 'ready');
    store.put({ ...instance, status: 'saving', memory: freeze(instance.memory, nowMs()) });
    await transitions.toPaused(id, latency.pauseMs);
    return store.get(id);
  };
  const watchTtl = createTtlWatch({ store, timers, nowMs, lagMs: latency.ttlLagMs, pause });

  for (const instance of restored) {
    watchTtl(instance);
    if (instance.status === 'pending') void transitions.toReady(instance.id, latency.startMs);
    if (instance.status === 'saving') void transitions.toPaused(instance.id, latency.pauseMs);
  }

  return {
    ...store,
    pause,
    hasCredits: deps.hasCredits,
    start: (snapshot, request) => {
      requireCredits(deps);
      const index = store.all().length;
      const instance = store.put(freshInstance(deps.newId(), snapshot, request, nowMs(), index));
      watchTtl(instance);
      void transitions.toReady(instance.id, latency.startMs);
      return instance;
    },
    resume: (id) => {
      const instance = store.get(id);
      if (instance.status !== 'paused') throw wrongState(id, instance.status, 'paused');
      requireCredits(deps);
      const resumed = store.put({ ...instance, status: 'pending', ttl: armTtl(instance.ttl, nowMs()) });
      watchTtl(resumed);
      void transitions.toReady(id, latency.resumeMs);
      return resumed;
    },
    setTtl: (id, seconds, action) => {
      const current = store.get(id);
      const kept = seconds === null ? null : (action ?? current.ttl.action ?? 'stop');
      const ttl = armTtl({ seconds, expireAtMs: null, action: kept }, nowMs());
      const changed = store.put({ ...current, ttl });
      watchTtl(changed);
      return changed;
    },
  };
}

/** The ends of transitions, each only if the instance did not go another way meanwhile. */
function createTransitions({ timers, nowMs, faults, latency }: MorphInstancesDeps, store: MorphStore) {
  const settle = async (
    id: string,
    from: MorphInstance['status'],
    { type, durationMs }: { readonly type: string; readonly durationMs: number },
    done: (instance: MorphInstance) => MorphInstance,
  ): Promise<void> => {
    const fault = faults.forTask(type, id);
    await timers.sleep(durationMs + (fault?.kind === 'slow-task' ? fault.ms : 0));
    const instance = store.find(id);
    if (instance?.status !== from || fault?.kind === 'kill-task') return;
    if (fault?.kind === 'fail-task') {
      store.put({ ...instance, status: 'error', memory: freeze(instance.memory, nowMs()) });
    } else {
      store.put(done(instance));
    }
  };
  return {
    toReady: (id: string, durationMs: number) =>
      settle(id, 'pending', { type: 'start', durationMs }, (instance) => ({
        ...instance,
        status: 'ready',
        memory:
          instance.memory.bootCount === 0
            ? coldBoot(instance.memory, nowMs(), latency.servicesMs)
            : thaw(instance.memory, nowMs()),
      })),
    toPaused: (id: string, durationMs: number) =>
      settle(id, 'saving', { type: 'pause', durationMs }, (instance) => ({ ...instance, status: 'paused' })),
  };
}

/**
 * Exhausted prepaid credits restrict the account (facts/morph-and-cmux.md A5, A6). That pausing and deleting, which save
 * money, still work is our reading.
 */
function requireCredits({ hasCredits }: MorphInstancesDeps): void {
  if (!hasCredits()) throw new MorphFailure(402, 'Payment required');
}

function freshInstance(
  id: string,
  snapshot: SimulatedSnapshot,
  request: StartRequest,
  createdAtMs: number,
  index: number,
): MorphInstance {
  const { ttlSeconds: seconds } = request;
  // The API's default is `stop`, and stop means delete.
  const action = seconds === null ? null : (request.ttlAction ?? 'stop');
  return {
    id,
    createdAtMs,
    status: 'pending',
    snapshotId: snapshot.id,
    vcpus: snapshot.vcpus,
    memoryMib: snapshot.memoryMib,
    diskMib: snapshot.diskMib,
    internalIp: `10.0.${(index >> 8) & 0xff}.${index & 0xff}`,
    metadata: request.metadata,
    ttl: armTtl({ seconds, expireAtMs: null, action }, createdAtMs),
    wakeOn: { ssh: false, http: false },
    services: SNAPSHOT_PORTS.map((port) => ({ name: `port-${port}`, port, authMode: 'none' })),
    memory: NEVER_BOOTED,
  };
}
