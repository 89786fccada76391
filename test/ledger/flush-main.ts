/** A process that flushes the ledger until it is killed, or all is written. */
import { connectRedis } from '../../src/platform/redis.ts';
import { createStore } from '../../src/store/store.ts';
import { flushLedger } from '../../src/workers/sweeps/flush-ledger.ts';

const [url = '', deployment = '', ledgerDir = '', nowMs = ''] = process.argv.slice(2);
const connection = await connectRedis(url, { role: 'worker' });
const store = createStore(connection, deployment);
process.send?.('flushing');
const deps = { store, nowMs: () => Number(nowMs), ledgerDir };
await flushLedger(deps as Parameters<typeof flushLedger>[0], {
  dryRun: false,
  signal: new AbortController().signal,
});
connection.disconnect();
process.disconnect?.();
