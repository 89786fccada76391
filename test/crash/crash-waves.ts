/** Brings many operations to the point where each is to crash, kills their worker there, and sees them recover. */
import { expect } from 'vitest';
import { isSettled, type Operation } from '../../src/core/operation.ts';
import { eventually } from '../support/eventually.ts';
import type { TestSystem } from '../support/system.ts';
import { judgeSystem } from '../support/verdict.ts';
import { type Asked, type GatedWorker, startGatedWorker } from './gated-worker.ts';
import type { Scenario } from './scenarios.ts';

export interface CrashCase {
  readonly scenario: Scenario;
  /** Where its first worker dies: `before step boot`. */
  readonly point: string;
}

export interface Waves {
  /** Resolves with the settled operation of each case, in order, all crashed by one kill. */
  crash(cases: readonly CrashCase[]): Promise<readonly Operation[]>;
  close(): Promise<void>;
}

/** Both bound a failing test only; a machine that is busy elsewhere takes some seconds to start a process. */
const HELD_WITHIN_MS = 90_000;
const SETTLED_WITHIN_MS = 40_000;
const PREPARE_TRIES = 5;

/** Asked when a worker has come to a point; who may not pass stays there until it is killed. */
export type MayPass = (asked: Pick<Asked, 'operationId' | 'point'>) => Promise<boolean>;

/** @param startWorker also after each crash, for what carries on */
export async function startWaves(
  test: TestSystem,
  startWorker: (mayPass: MayPass) => Promise<GatedWorker> = (mayPass) =>
    startGatedWorker(test.options, mayPass),
): Promise<Waves> {
  /** By operation id; a point that was crashed at is passed by whoever comes there again. */
  const armed = new Map<string, string>();
  const held = new Set<string>();
  const scenarios = new Map<string, Scenario>();
  let submitting: Promise<unknown> = Promise.resolve();

  const mayPass: MayPass = async ({ operationId, point }) => {
    // The answer waits until every operation of the wave is known by its id.
    await submitting;
    await scenarios.get(operationId)?.meanwhile?.(test, point, operationId);
    if (armed.get(operationId) !== point) return true;
    held.add(operationId);
    return false;
  };

  const start = () => startWorker(mayPass);
  let worker: GatedWorker = await start();

  return {
    async crash(cases) {
      const sandboxes = await Promise.all(cases.map(({ scenario }) => prepared(test, scenario)));
      const submitted = Promise.all(
        cases.map(async ({ scenario, point }, index) => {
          const operation = await scenario.ask(test, sandboxes[index]);
          armed.set(operation.id, point);
          scenarios.set(operation.id, scenario);
          return operation;
        }),
      );
      submitting = submitted.catch(() => undefined);
      const operations = await submitted;
      const missing = () => operations.filter(({ id }) => !held.has(id));
      await eventually('every operation is at its point', () => missing().length === 0, HELD_WITHIN_MS).catch(
        () => {
          const names = cases.filter((_, index) => !held.has(operations[index]?.id ?? '')).map(nameOf);
          throw new Error(`never came to its point: ${names.join(', ')}`);
        },
      );
      await worker.kill();
      armed.clear();
      held.clear();
      worker = await start();
      return Promise.all(
        operations.map((operation, index) =>
          untilSettled(test, operation.id, nameOf(cases[index] as CrashCase)),
        ),
      );
    },
    close: () => worker.kill(),
  };
}

/** A machine that is busy elsewhere may let a send deadline pass: that is no crash, and the next try does. */
async function prepared(test: TestSystem, scenario: Scenario): Promise<string | undefined> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await scenario.prepare(test);
    } catch (error) {
      if (tries >= PREPARE_TRIES) throw error;
    }
  }
}

export function nameOf({ scenario: { provider, name }, point }: CrashCase): string {
  return `${name} on ${provider}, ${point}`;
}

async function untilSettled({ system }: TestSystem, operationId: string, name: string): Promise<Operation> {
  let last: Operation | undefined;
  const settled = async () => {
    last = await system.store.reading.operation(operationId);
    return last && isSettled(last.state) && last;
  };
  return eventually(`it settles: ${name}`, settled, SETTLED_WITHIN_MS).catch((error: unknown) => {
    throw new Error(`${String(error)}; ${JSON.stringify(last)}`);
  });
}

/** Crashes one wave, and sees each of its operations succeed, once, with one guest at most. */
export async function crashWave(system: TestSystem, waves: Waves, wave: readonly CrashCase[]): Promise<void> {
  if (process.env.TEST_LOG) process.stderr.write(`${wave.map(nameOf).join('; ')}\n`);
  const operations = await waves.crash(wave);
  for (const [index, operation] of operations.entries()) {
    const crashed = wave[index] as CrashCase;
    const { state, failure } = operation;
    expect({ case: nameOf(crashed), state, failure }).toEqual({
      case: nameOf(crashed),
      state: 'succeeded',
      failure: undefined,
    });
    await crashed.scenario.verify(system, operation);
    expect(await settlements(system, operation.id), nameOf(crashed)).toBe(1);
  }
  expect((await judgeSystem(system)).duplicates).toEqual([]);
}

/** How often the event log says that an operation settled. */
async function settlements({ system }: TestSystem, operationId: string): Promise<number> {
  const entries = await system.store.redis.xrange(system.store.keys.events, '-', '+');
  return entries.filter(
    ([, fields]) =>
      fields.includes('operation.settled') && fields[fields.indexOf('operationId') + 1] === operationId,
  ).length;
}

/** Inventory and records agree at last, and nothing is left. */
export async function expectRest(system: TestSystem, withinMs: number): Promise<void> {
  let verdict = await judgeSystem(system);
  const isAtRest = async () => {
    verdict = await judgeSystem(system);
    return Object.values(verdict).flat().length === 0;
  };
  await eventually('inventory and records agree', isAtRest, withinMs).catch(() => undefined);
  expect(Object.values(verdict).flat()).toEqual([]);
}
