/** What a new provider must not forget (docs/adding-a-provider.md). */
import { expect, it } from 'vitest';
import { PROVIDER_NAMES } from '../../src/core/provider-name.ts';
import { simulatedBackends, startLocalSimulators } from '../../src/main/backends.ts';
import { createProviders } from '../../src/main/providers.ts';
import { loadConfig } from '../../src/platform/config.ts';
import { createKeys } from '../../src/store/keys.ts';
import type { Store } from '../../src/store/store.ts';
import { DRIVERS } from './drivers.ts';
import { createInMemoryCapacityBook, createInMemoryPermits } from './in-memory-ports.ts';

it('every provider takes part in the conformance suite', async () => {
  const taking = new Set<string>();
  for (const { start } of DRIVERS) {
    const rig = await start();
    taking.add(rig.provider.name);
    await rig.close();
  }
  expect([...taking].toSorted()).toEqual([...PROVIDER_NAMES].toSorted());
});

it('local mode serves every provider there is', async () => {
  const config = loadConfig({});
  expect([...config.enabledProviders].toSorted()).toEqual([...PROVIDER_NAMES].toSorted());
  const simulators = await startLocalSimulators(config);
  // Nothing is asked of the store before the first start.
  const store = { keys: createKeys('test') } as Store;
  const { all, close } = createProviders(store, simulatedBackends(simulators, config.enabledProviders), {
    deployment: 'test',
    installId: 'install-1',
    timing: config.timing,
    permits: createInMemoryPermits(),
    capacityBook: createInMemoryCapacityBook(),
  });
  try {
    expect(all.map(({ name }) => name).toSorted()).toEqual([...PROVIDER_NAMES].toSorted());
    for (const provider of all) {
      const { healthy } = await provider.probe({
        signal: new AbortController().signal,
        holder: 'op-1',
        step: () => Promise.reject(new Error('a probe changes nothing')),
      });
      expect(healthy).toBe(true);
    }
  } finally {
    await close();
    await simulators.close();
  }
});
