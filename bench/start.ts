/** What a start costs beyond what the provider and the guest themselves take. */
import { pino } from 'pino';
import { simulatedBackends, startLocalSimulators } from '../src/main/backends.ts';
import { startSystem } from '../src/main/system.ts';
import { loadConfig } from '../src/platform/config.ts';
import { createProducer, type RedisProducer, type StartInput } from '../src/producers/redis-producer.ts';
import { startOwnRedis } from './own-redis.ts';
import { median, percentile } from './statistics.ts';

/** Default latencies of the simulated Proxmox: a VM is cloned, started, and its services come up. */
const VM_MS = 1_500 + 2_500 + 1_000;
const CONTAINER_CLONE_MS = 1_000;
const CONTAINER_BOOT_MS = 300 + 1_000;

const VM_STARTS = 24;
/** Fewer than the cap on starts per node, so that no start waits for another. */
const VM_STARTS_AT_ONCE = 3;
const CONTAINER_STARTS = 10;
const ROUNDS = 3;
const TEMPLATES = [9200, 9201, 9202].map((vmid) => ({ vmid, expectedName: `bench-container-${vmid}` }));

export async function benchStart(): Promise<Readonly<Record<string, number>>> {
  const overheadMs: number[] = [];
  const one: number[] = [];
  const three: number[] = [];
  const calls = await withSystem(async (producer, countCalls) => {
    // Warm: the first start of a process loads scripts and learns how long tasks take.
    await startVm(producer);
    const before = countCalls();
    for (let left = VM_STARTS; left > 0; left -= VM_STARTS_AT_ONCE) {
      const batch = Array.from({ length: VM_STARTS_AT_ONCE }, () => startVm(producer));
      for (const elapsedMs of await Promise.all(batch)) overheadMs.push(elapsedMs - VM_MS);
    }
    // Status probes of the time are counted in: they are few, and they are calls too.
    return (countCalls() - before) / VM_STARTS;
  });
  for (let round = 0; round < ROUNDS; round += 1) {
    one.push(await withSystem((producer) => startContainers(producer, 1)));
    three.push(await withSystem((producer) => startContainers(producer, 3)));
  }
  return {
    startOverheadMsP95: Math.round(percentile(overheadMs, 0.95)),
    startOverheadMsP50: Math.round(median(overheadMs)),
    apiCallsPerStart: round2(calls),
    cloneRatioOneTemplate: round2(median(one)),
    cloneRatioThreeTemplates: round2(median(three)),
  };
}

async function startVm(producer: RedisProducer): Promise<number> {
  const startedAtMs = performance.now();
  const { provider, id } = await producer.start({ preset: '4vcpu_8gb_32gb', preferredProvider: 'pve-vm' });
  if (provider !== 'pve-vm') throw new Error(`${id} fell back to ${provider}: not what is measured`);
  return performance.now() - startedAtMs;
}

/** Elapsed time over the template lock's own serial time plus one boot. */
async function startContainers(producer: RedisProducer, templateCount: number): Promise<number> {
  const sources: StartInput['sources'] = { 'pve-lxc': { templates: TEMPLATES.slice(0, templateCount) } };
  const startedAtMs = performance.now();
  await Promise.all(
    Array.from({ length: CONTAINER_STARTS }, () =>
      producer.start({ sources, preferredProvider: 'pve-lxc', allowFallback: false }),
    ),
  );
  const serialMs = Math.ceil(CONTAINER_STARTS / templateCount) * CONTAINER_CLONE_MS + CONTAINER_BOOT_MS;
  return (performance.now() - startedAtMs) / serialMs;
}

async function withSystem<T>(
  measure: (producer: RedisProducer, countCalls: () => number) => Promise<T>,
): Promise<T> {
  const config = loadConfig({});
  const redis = await startOwnRedis();
  const simulators = await startLocalSimulators(config, {
    templates: TEMPLATES.map(({ vmid, expectedName: name }) => ({
      kind: 'lxc',
      vmid,
      name,
      cores: 2,
      memoryMib: 2_048,
      diskGib: 8,
    })),
    nodeMemoryMib: 1024 * 1024,
  });
  const system = await startSystem({
    ...config,
    redis: { url: redis.url, durability: 'aof' },
    backends: simulatedBackends(simulators),
    log: pino({ level: 'error' }, pino.destination(2)),
  });
  try {
    const countCalls = () => Object.values(simulators.pve.inventory().calls).reduce((sum, n) => sum + n, 0);
    return await measure(createProducer(system.store, system.submitter), countCalls);
  } finally {
    await system.close();
    await simulators.close();
    await redis.stop();
  }
}

const round2 = (value: number) => Math.round(value * 100) / 100;
