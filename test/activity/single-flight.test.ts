import { afterAll, beforeAll, expect, test } from 'vitest';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

let system: TestSystem;
const steps: string[] = [];
beforeAll(async () => {
  system = await startTestSystem({
    onStep: (name, when) => {
      if (when === 'before') steps.push(name);
    },
  });
});
afterAll(() => system.close());

test('a thousand resumes of one sandbox at once make one call to the provider, and all are answered', async () => {
  const { id } = await system.producer.start({ preset: PRESET });
  await system.producer.pause(id);
  const answers = await Promise.all(Array.from({ length: 1_000 }, () => system.producer.resume(id)));
  expect(steps.filter((name) => name === 'resume')).toHaveLength(1);
  expect(new Set(answers.map(({ state, memoryKept }) => `${state} ${memoryKept}`))).toEqual(
    new Set(['running true']),
  );
});
