/**
 * Every way in which an operation reaches a provider: what has to be there before, what is asked for, and how
 * it has to end, however often its worker dies on the way.
 */
import { expect } from 'vitest';
import { markerMetadataKey } from '../../src/core/marker.ts';
import type { Operation } from '../../src/core/operation.ts';
import type { ProviderName } from '../../src/core/provider-name.ts';
import { parse, startRequestSchema } from '../../src/producers/requests.ts';
import { eventually } from '../support/eventually.ts';
import { PRESET, type TestSystem } from '../support/system.ts';

export interface Scenario {
  readonly name: string;
  readonly provider: ProviderName;
  /** Makes the sandbox that the operation is about; a start needs none. */
  prepare(test: TestSystem): Promise<string | undefined>;
  ask(test: TestSystem, sandboxId: string | undefined): Promise<Operation>;
  /** What somebody else does when its worker has come to a point. */
  meanwhile?(test: TestSystem, point: string, operationId: string): Promise<void>;
  /** What holds once it settled. */
  verify(test: TestSystem, operation: Operation): Promise<void>;
}

/** Any time that nobody would leave a clock behind. */
const SLEPT_MS = 3_600_000;

const KEEPS_MEMORY: Readonly<Record<ProviderName, boolean>> = {
  'pve-vm': true,
  'pve-lxc': false,
  morph: true,
};

export function scenariosOf(provider: ProviderName): readonly Scenario[] {
  const keepsMemory = KEEPS_MEMORY[provider];
  const begin = async ({ producer }: TestSystem) =>
    (await producer.start({ preset: PRESET, preferredProvider: provider, allowFallback: false })).id;
  const beginPaused = async (test: TestSystem) => {
    const id = await begin(test);
    await test.producer.pause(id, { requiresRamSnapshot: keepsMemory });
    return id;
  };
  const change =
    (kind: 'pause' | 'resume' | 'destroy', options: object) =>
    (test: TestSystem, id = '') =>
      test.system.submitter.change(kind, id, options as Parameters<typeof test.system.submitter.change>[2]);
  const destroyed = async (test: TestSystem, { sandboxId }: Operation) =>
    void expect((await test.system.store.reading.sandbox(sandboxId))?.state).toBe('destroyed');

  const scenarios: Omit<Scenario, 'provider'>[] = [
    {
      name: 'start',
      prepare: async () => undefined,
      ask: ({ system }) =>
        system.submitter.start(parse(startRequestSchema, { preset: PRESET, preferredProvider: provider })),
      ...(provider === 'morph' ? { meanwhile: switchOnWaking } : {}),
      verify: ({ producer }, { sandboxId }) => expectState(producer, sandboxId, { state: 'running' }),
    },
    {
      name: 'pause',
      prepare: begin,
      ask: change('pause', { requiresRamSnapshot: keepsMemory }),
      verify: ({ producer }, { sandboxId }) =>
        expectState(producer, sandboxId, { state: 'paused', preservesRam: keepsMemory }),
    },
    {
      name: 'resume',
      prepare: provider === 'pve-vm' ? (test) => asleepForLong(test, beginPaused) : beginPaused,
      ask: change('resume', { onLostMemory: 'fail' }),
      async verify({ producer }, { sandboxId, memoryKept }) {
        await expectState(producer, sandboxId, { state: 'running' });
        expect(memoryKept).toBe(keepsMemory);
      },
    },
    { name: 'destroy', prepare: begin, ask: change('destroy', {}), verify: destroyed },
    { name: 'destroy of a paused one', prepare: beginPaused, ask: change('destroy', {}), verify: destroyed },
    { name: 'discard', prepare: begin, ask: discard, verify: expectGone },
  ];
  if (provider === 'morph') {
    scenarios.push({
      name: 'configure',
      prepare: begin,
      ask: ({ system }, id = '') => system.submitter.change('configure', id, {}),
      verify: ({ producer }, { sandboxId }) => expectState(producer, sandboxId, { state: 'running' }),
    });
  }
  // Morph has no machine without its memory, so nothing to boot cold.
  if (provider !== 'morph') scenarios.push(coldBoot(begin));
  return scenarios.map((scenario) => ({ ...scenario, provider }));
}

/** Waking by HTTP is on at Morph, which is not how it was asked for: the start has to switch it off. */
async function switchOnWaking(
  { simulators, instances }: TestSystem,
  point: string,
  operationId: string,
): Promise<void> {
  const instance = instances().find(
    ({ metadata }) => metadata[markerMetadataKey('operation')] === operationId,
  );
  if (point !== 'after step create' || instance === undefined) return;
  await fetch(`${simulators.morph.url}/instance/${instance.id}/wake-on`, {
    method: 'POST',
    headers: { authorization: `Bearer ${simulators.morph.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ wake_on_http: true }),
  });
}

/** Whose clock has to be set once it woke. */
async function asleepForLong(
  test: TestSystem,
  beginPaused: Scenario['prepare'],
): Promise<string | undefined> {
  const id = await beginPaused(test);
  const { vmid = 0 } = await test.producer.get(id ?? '');
  test.simulators.pve.operator.turnClockBack(vmid, SLEPT_MS);
  return id;
}

/** Somebody pulled the plug: the guest is off, its memory is gone. */
function coldBoot(begin: Scenario['prepare']): Omit<Scenario, 'provider'> {
  return {
    name: 'cold boot',
    async prepare(test) {
      const id = await begin(test);
      const { vmid = 0 } = await test.producer.get(id ?? '');
      test.simulators.pve.operator.kill(vmid);
      return id;
    },
    ask: ({ system }, id = '') => system.submitter.change('resume', id, { onLostMemory: 'cold-boot' }),
    async verify({ producer }, { sandboxId, memoryKept }) {
      await expectState(producer, sandboxId, { state: 'running' });
      expect(memoryKept).toBe(false);
    },
  };
}

/** As after a start that gave up: it failed, and its guest, made long ago, is condemned. The sweep submits the removal. */
async function discard({ system, producer }: TestSystem, sandboxId = ''): Promise<Operation> {
  const { redis, keys, reading } = system.store;
  const { guestId = '' } = await producer.get(sandboxId);
  await redis.hset(keys.sandbox(sandboxId), { state: 'failed' });
  await redis.hset(keys.guest(guestId), { state: 'condemned', condemnedAtMs: 1, sentAtMs: 1 });
  await redis.zadd(keys.guestsCondemned, 1, guestId);
  const [operationId = ''] = await eventually('its removal is submitted', async () => {
    const pending = await redis.lrange(keys.pending(keys.guest(guestId)), 0, 0);
    return pending.length > 0 && pending;
  });
  const operation = await reading.operation(operationId);
  if (operation === undefined) throw new Error(`${operationId} has no record`);
  return operation;
}

async function expectGone({ system }: TestSystem, { guestId = '' }: Operation): Promise<void> {
  expect((await system.store.reading.guest(guestId))?.state).toBe('gone');
}

async function expectState(
  producer: TestSystem['producer'],
  sandboxId: string,
  expected: object,
): Promise<void> {
  expect(await producer.get(sandboxId)).toMatchObject(expected);
}
