import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { environmentSchema, SETTINGS } from '../../src/platform/config-schema.ts';

const lines = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8').split('\n');
const examples = lines.flatMap((line) => {
  const [, name, value] = /^#?([A-Z_]+)=(.*)$/.exec(line) ?? [];
  return name === undefined || value === undefined ? [] : [{ name, value }];
});

it('.env.example documents every setting exactly once, and no other', () => {
  expect(examples.map(({ name }) => name).sort()).toEqual([...SETTINGS].sort());
});

it.each(SETTINGS)('the example of %s can be read, and is the default where there is one', (setting) => {
  const { value } = examples.find(({ name }) => name === setting) ?? {};
  const parsed = environmentSchema.shape[setting].safeParse(value);
  expect(parsed.error?.issues).toBeUndefined();
  const whenAbsent = environmentSchema.shape[setting].safeParse(undefined).data;
  if (whenAbsent !== undefined) expect(parsed.data).toEqual(whenAbsent);
});

it('.env.example copied as it is sets nothing, so that it gives local mode', () => {
  expect(lines.filter((line) => line !== '' && !line.startsWith('#'))).toEqual([]);
});
