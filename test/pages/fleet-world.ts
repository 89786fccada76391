/** A fleet in which every question of the page has an answer, served over HTTP with a token of each role. */
import { pino } from 'pino';
import type { SandboxView } from '../../src/core/views.ts';
import { type Http, startHttp } from '../../src/main/http.ts';
import { loadConfig } from '../../src/platform/config.ts';
import { createTokens } from '../../src/producers/access/tokens.ts';
import { PRESET, startTestSystem, type TestSystem, type TestSystemOptions } from '../support/system.ts';

export const REMEDY = 'ssh root@pve1 qm unlock 20003';

export interface FleetWorld {
  readonly test: TestSystem;
  readonly http: Http;
  readonly tokens: Readonly<Record<'viewer' | 'operator' | 'admin' | 'team', string>>;
  readonly sandboxes: {
    readonly running: SandboxView;
    readonly paused: SandboxView;
    readonly onMorph: SandboxView;
    readonly stuck: SandboxView;
    /** Its start failed. */
    readonly failed: string;
  };
  close(): Promise<void>;
}

export async function startFleetWorld(options?: TestSystemOptions): Promise<FleetWorld> {
  const test = await startTestSystem(options);
  const { deployment } = test.options;
  const config = { ...loadConfig({}), deployment };
  const http = await startHttp(
    test.system,
    { ...config, http: { host: '127.0.0.1', port: 0, trustProxy: false } },
    pino({ level: 'silent' }),
  );
  const issuer = createTokens(test.system.store.access, Date.now);
  const issue = async (name: string, role: 'viewer' | 'operator' | 'admin', teamId?: string) =>
    (await issuer.create({ name, role, ...(teamId ? { teamId } : {}) }, 'cli')).secret;
  return {
    test,
    http,
    tokens: {
      viewer: await issue('vera', 'viewer'),
      operator: await issue('otto', 'operator'),
      admin: await issue('ada', 'admin'),
      team: await issue('tim', 'operator', 'team-blue'),
    },
    sandboxes: await fillFleet(test),
    async close() {
      await http.close();
      await test.close();
    },
  };
}

async function fillFleet({ producer, simulators, system }: TestSystem): Promise<FleetWorld['sandboxes']> {
  const start = (taskRunId: string, teamId: string, options = {}) =>
    producer.start({ preset: PRESET, taskRunId, teamId, ...options });
  const running = await start('run-checkout-flow', 'team-blue');
  const paused = await start('run-flaky-test', 'team-blue');
  await producer.pause(paused.id);
  const stuck = await start('run-migration', 'team-red');

  await simulators.pve.setDown(true);
  const onMorph = await start('run-docs', 'team-red');
  const failed = await start('run-gpu', 'team-red', { allowFallback: false }).then(
    () => '',
    (error: { sandboxId?: string }) => error.sandboxId ?? '',
  );
  await simulators.pve.setDown(false);

  // A lock that nobody frees takes minutes to be given up on: written as it would be.
  const { redis, keys } = system.store;
  const cause = 'VM 20003 is locked (backup) and no task of ours holds the lock';
  await redis.hset(keys.sandbox(stuck.id), { state: 'stuck', cause, remediation: REMEDY });
  return { running, paused: await producer.get(paused.id), onMorph, stuck, failed };
}
