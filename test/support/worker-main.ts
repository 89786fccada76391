/** A worker process for tests that kill or freeze it. Its options come as JSON in the first argument. */
import { pino } from 'pino';
import { type SystemOptions, startSystem } from '../../src/main/system.ts';
import type { SignalAt } from './worker-process.ts';

const { signalAt, ...options } = JSON.parse(process.argv[2] ?? '') as SystemOptions & {
  readonly signalAt?: SignalAt;
};

let signalled = false;
await startSystem({
  ...options,
  log: pino({ level: process.env.TEST_LOG ?? 'silent' }, pino.destination(2)),
  onStep(name, when) {
    if (signalled || signalAt === undefined || name !== signalAt.step || when !== signalAt.when) return;
    signalled = true;
    // To itself, so that not one instruction more runs than the test means.
    process.kill(process.pid, signalAt.signal);
  },
});
process.send?.({ ready: true });
