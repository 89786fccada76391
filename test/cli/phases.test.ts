/** The four phases of a move from Morph to Proxmox: each example file, started, with simulators as the providers. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WorkloadType } from '../../src/core/start-request.ts';
import { realBackends } from '../../src/main/backends.ts';
import { systemOptions } from '../../src/main/serve.ts';
import { startSystem } from '../../src/main/system.ts';
import { loadConfig } from '../../src/platform/config.ts';
import { createProducer, type RedisProducer } from '../../src/producers/redis-producer.ts';
import { type AsIfReal, startAsIfReal } from '../support/as-if-real.ts';
import { log } from '../support/log.ts';
import { sharedRedisUrl } from '../support/redis.ts';
import { FAST_RECOVERY, PRESET } from '../support/system.ts';

let providers: AsIfReal;
beforeAll(async () => {
  providers = await startAsIfReal();
});
afterAll(() => providers.close());

/** The file as it is, but for what only the operator knows. */
function phase(number: number): Record<string, string> {
  const file = parseEnv(readFileSync(`examples/phase-${number}.env`, 'utf8')) as Record<string, string>;
  const { PVE_PUBLIC_DOMAIN: _unreachable, ...settings } = file;
  return {
    ...settings,
    ...providers.morph,
    ...('PVE_API_URL' in settings ? providers.pve : {}),
    REDIS_URL: sharedRedisUrl(),
    REDIS_DURABILITY: 'managed',
    DEPLOYMENT: `phase-${randomBytes(6).toString('hex')}`,
  };
}

async function inPhase(number: number, run: (producer: RedisProducer) => Promise<void>): Promise<void> {
  const config = loadConfig(phase(number));
  if (config.mode !== 'service') throw new Error('the file gives local mode');
  const system = await startSystem({
    ...systemOptions(config, log),
    redis: config.redis,
    backends: realBackends(config),
    recovery: FAST_RECOVERY,
    requestTimeoutMs: 2_000,
  });
  try {
    await run(createProducer(system.store, system.submitter));
  } finally {
    await system.close();
  }
}

async function placeOf(producer: RedisProducer, workloadType: WorkloadType) {
  const { id, provider, fellBackFrom } = await producer.start({ preset: PRESET, workloadType });
  await producer.destroy(id);
  return [workloadType, provider, fellBackFrom];
}

describe.each([
  [1, 'Morph alone', { dev: 'morph', prod: 'morph' }],
  [2, 'Proxmox first, production on Morph', { dev: 'pve-vm', prod: 'morph' }],
  [3, 'Proxmox for all', { dev: 'pve-vm', prod: 'pve-vm' }],
  [4, 'Proxmox for all, Morph for good', { dev: 'pve-vm', prod: 'pve-vm' }],
] as const)('phase %i, %s', (number, _title, places) => {
  it('starts each kind of work where the phase wants it', async () => {
    await inPhase(number, async (producer) => {
      expect(await placeOf(producer, 'dev')).toEqual(['dev', places.dev, []]);
      expect(await placeOf(producer, 'prod')).toEqual(['prod', places.prod, []]);
    });
  });

  it(
    number === 1
      ? 'fails when Morph does: there is nothing behind it'
      : 'falls back to Morph while Proxmox is down',
    async () => {
      const { pve, morph } = providers.simulators;
      const down = number === 1 ? morph : pve;
      await inPhase(number, async (producer) => {
        await down.setDown(true);
        try {
          const placed = placeOf(producer, 'dev');
          if (number === 1) await expect(placed).rejects.toMatchObject({ code: 'no_provider_available' });
          else expect(await placed).toEqual(['dev', 'morph', ['pve-vm']]);
        } finally {
          await down.setDown(false);
        }
      });
    },
  );
});
