/** `cmux-lifecycle demo`: the main job from end to end, on simulators, in under a minute. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { OperationView, SandboxView } from '../core/views.ts';
import { loadConfig } from '../platform/config.ts';
import { createLogger } from '../platform/log.ts';
import { createProducer, type RedisProducer } from '../producers/redis-producer.ts';
import { describeSandboxes } from './describe-sandbox.ts';
import { startHttp } from './http.ts';
import { startLocalParts } from './local.ts';
import { systemOptions, untilStopSignal } from './serve.ts';
import { startSystem } from './system.ts';

export interface DemoOptions {
  /** End after the walk instead of staying up. */
  readonly exit: boolean;
  readonly environment: NodeJS.ProcessEnv;
}

const PRESET = '4vcpu_8gb_32gb';

export async function demo({ exit, environment }: DemoOptions): Promise<void> {
  // Only what cannot make anything real: credentials in the environment must not turn a demo into a bill.
  const { PORT, DATA_DIR, LOG_LEVEL = 'error' } = environment;
  const config = loadConfig({ LOG_LEVEL, ...(PORT && { PORT }), ...(DATA_DIR && { DATA_DIR }) });
  if (config.mode !== 'local') throw new Error('the demo runs in local mode only');
  const stopRequested = untilStopSignal();
  const dataDir = join(config.dataDir, 'demo');

  console.log('cmux-lifecycle demo: a real Redis and real workers; Proxmox VE and Morph are SIMULATED.\n');
  const closers: (() => Promise<void>)[] = [];
  try {
    const local = await startLocalParts(config, dataDir, { fresh: true });
    closers.push(local.close);
    const ledgerDir = join(dataDir, 'ledger');
    // What earlier demos cost would be taken for money that Redis has lost.
    await rm(ledgerDir, { recursive: true, force: true });
    const log = createLogger(config.logLevel);
    const system = await startSystem({
      ...systemOptions(config, log),
      ledgerDir,
      redis: { url: local.redisUrl, durability: 'aof' },
      backends: local.backends,
    });
    closers.push(system.close);
    const server = await startHttp(system, config, log);
    closers.push(server.close);

    const producer = createProducer(system.store, system.submitter);
    await Promise.race([walk(producer, local.simulators.pve.setDown), stopRequested]);
    if (exit) return;
    console.log(`\nThe fleet: ${server.url}   The board with every attempt: ${server.url}/queues`);
    console.log('Access is open to every user and program of this machine: there is no token.');
    console.log('Everything stays up until Ctrl-C.');
    await stopRequested;
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function walk(
  producer: RedisProducer,
  setProxmoxDown: (down: boolean) => Promise<void>,
): Promise<void> {
  const first = await timed('start a sandbox', () => producer.start({ preset: PRESET, taskRunId: 'demo-1' }));
  console.log(`    ${first.id} runs on ${first.provider}, VMID ${first.vmid}`);
  const before = await readCounter(first);
  console.log(`    its memory counts: ${before}`);

  const paused = await timed('suspend it to disk', () => producer.pause(first.id));
  console.log(`    ${paused.state}, memory kept: ${paused.preservesRam}`);
  const resumed = await timed('resume it', () => producer.resume(first.id));
  const after = await readCounter(resumed);
  console.log(`    the counter goes on: ${before} → ${after}, memory kept: ${resumed.memoryKept}`);
  if (after < before) throw new Error('the memory of the sandbox was lost');

  console.log('\n  ✂ Proxmox goes down');
  await setProxmoxDown(true);
  const second = await timed('start another', () => producer.start({ preset: PRESET, taskRunId: 'demo-2' }));
  console.log(`    ${second.id} runs on ${second.provider}; why:`);
  for (const line of explain(await producer.operation(second.cause))) console.log(`      ${line}`);

  console.log('\n  ✓ Proxmox comes back');
  await setProxmoxDown(false);
  const third = await timed('start a third', () => producer.start({ preset: PRESET, taskRunId: 'demo-3' }));
  console.log(`    ${third.id} runs on ${third.provider} again\n`);
  const { sandboxes } = await producer.list();
  console.log(describeSandboxes([...sandboxes].reverse(), Date.now(), process.stdout.columns));
}

async function timed<T>(what: string, run: () => Promise<T>): Promise<T> {
  process.stdout.write(`  ${what} …`);
  const startedAtMs = performance.now();
  const result = await run();
  console.log(` ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`);
  return result;
}

/** Every simulated guest serves a counter that lives in its memory. */
async function readCounter({ endpoints }: SandboxView): Promise<number> {
  const reply = await fetch(endpoints.worker ?? '', { signal: AbortSignal.timeout(5_000) });
  const { counter } = (await reply.json()) as { counter: number };
  return counter;
}

function explain({ attempts }: OperationView): readonly string[] {
  return attempts.map(({ number, provider, outcome, failure }) =>
    failure
      ? `attempt ${number} on ${provider} ${outcome}: ${failure.message}`
      : `attempt ${number} on ${provider} ${outcome}`,
  );
}
