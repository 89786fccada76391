/** What cost cmux running work, by its number. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await startTestSystem();
});
afterAll(() => system.close());

test('pain 19, a resume counts as use of any sandbox, also of one without team, user and task run', async () => {
  const { id } = await system.producer.start({ preset: PRESET });
  await system.producer.pause(id);
  const read = async () => (await system.system.store.activity.read([id], Date.now()))[0];
  const before = await read();
  await system.producer.resume(id);
  const after = await read();
  expect(after?.sequence).toBeGreaterThan(before?.sequence ?? 0);
  expect(after?.lastActivity?.what).toContain('resume');
  expect(after?.runningSinceMs).toBeGreaterThan(before?.lastActivity?.atMs ?? 0);
  expect(await system.system.store.activity.due(Date.now(), 10)).toContain(id);
});
