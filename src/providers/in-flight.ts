/**
 * Bounds how many requests are under way at a time, in groups that fail and labour together, such as the nodes
 * behind one endpoint. Who comes first is served first, but changes go before reads: they have to leave within
 * the two seconds of their fence, and reads may wait as long as their time-out.
 *
 * Waiting here costs a request nothing but its own time: it is bounded by its own time-out and its own send
 * deadline, and one that gives up in line has left nothing behind.
 */
import type { HttpClient, HttpRequest } from './http-client.ts';
import { timeoutFailure } from './http-failure.ts';

export interface InFlightLimits {
  readonly total: number;
  readonly perGroup: number;
}

/** @param groupOf `undefined`: a request that only the total counts for */
export function limitInFlight(
  http: HttpClient,
  limits: InFlightLimits,
  groupOf: (request: HttpRequest) => string | undefined,
): HttpClient {
  const total = createGate(limits.total);
  const groups = new Map<string, Gate>();
  const gateOf = (name: string): Gate => {
    const gate = groups.get(name) ?? createGate(limits.perGroup);
    groups.set(name, gate);
    return gate;
  };

  async function request(wanted: HttpRequest): ReturnType<HttpClient['request']> {
    const startedMs = performance.now();
    const group = groupOf(wanted);
    // The group first: who waits for a slow node must not keep a place that another node could use.
    const gates = group === undefined ? [total] : [gateOf(group), total];
    const entered: Gate[] = [];
    try {
      for (const gate of gates) {
        await enter(gate, wanted, startedMs);
        entered.push(gate);
      }
      const timeoutMs = wanted.timeoutMs - (performance.now() - startedMs);
      return await http.request({ ...wanted, timeoutMs: Math.max(1, timeoutMs) });
    } finally {
      for (const gate of entered) gate.leave();
    }
  }

  return { request, close: http.close };
}

interface Gate {
  /** `undefined`: entered. Otherwise calls `go` when it may enter; `forget` leaves the line. */
  enter(go: () => void, isChange: boolean): { forget(): void } | undefined;
  leave(): void;
}

function createGate(limit: number): Gate {
  let inside = 0;
  const changes: (() => void)[] = [];
  const reads: (() => void)[] = [];
  return {
    enter(go, isChange) {
      if (inside < limit) {
        inside += 1;
        return undefined;
      }
      const line = isChange ? changes : reads;
      line.push(go);
      return {
        forget() {
          const index = line.indexOf(go);
          if (index >= 0) line.splice(index, 1);
        },
      };
    },
    leave() {
      const next = changes.shift() ?? reads.shift();
      if (next === undefined) inside -= 1;
      else next();
    },
  };
}

function enter(gate: Gate, request: HttpRequest, startedMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const { signal, timeoutMs, sendBeforeMs = Number.POSITIVE_INFINITY } = request;
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const waiting = gate.enter(() => finish(resolve), request.method !== 'GET');
    if (waiting === undefined) {
      resolve();
      return;
    }
    const timesOutAtMs = startedMs + timeoutMs;
    const lastMs = Math.min(timesOutAtMs, sendBeforeMs);
    const timer = setTimeout(
      () =>
        giveUp(
          timeoutFailure(factsOf(request), { sent: false, deadlinePassed: sendBeforeMs < timesOutAtMs }),
        ),
      Math.max(0, lastMs - performance.now()),
    );
    const onAbort = () => giveUp(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });

    function finish(settle: () => void): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      settle();
    }
    function giveUp(reason: unknown): void {
      waiting?.forget();
      finish(() => reject(reason));
    }
  });
}

function factsOf({ method, path }: HttpRequest) {
  return {
    provider: undefined,
    request: `${method} ${path}`,
    mayHaveActed: false,
    tlsRemediation: undefined,
  };
}
