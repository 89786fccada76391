/** `demo` as it is shipped, where it cannot begin. That it tells its story to the end is a step of `.ci/run`. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type BuiltCli, buildCli } from '../support/built-cli.ts';

let built: BuiltCli;
const taken = createServer();
beforeAll(async () => {
  built = buildCli();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
}, 60_000);
afterAll(async () => {
  await built?.close();
  await new Promise((resolve) => taken.close(resolve));
});

it('ends by itself, with its Redis, when its port is taken; what an earlier demo cost is forgotten', async () => {
  const ledger = join(built.folder, '.data/demo/ledger');
  mkdirSync(ledger, { recursive: true });
  writeFileSync(join(ledger, '2020-01-01.jsonl'), '');
  const { port } = taken.address() as AddressInfo;
  const { ended, printed } = built.start(['demo', '--exit'], { PORT: String(port) });
  expect(await ended).toBe(2);
  expect(printed.err).toContain(`cannot listen on 127.0.0.1:${port}`);
  expect(existsSync(join(built.folder, '.data/demo/redis/redis-server.lock'))).toBe(false);
  expect(existsSync(join(ledger, '2020-01-01.jsonl'))).toBe(false);
});
