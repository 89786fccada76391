/** docs/cli.md is in step with the commands and their exit statuses. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { EXIT } from '../../src/main/exit-status.ts';
import { createProgram } from '../../src/main/run-cli.ts';

const document = readFileSync('docs/cli.md', 'utf8');
const program = createProgram({
  environment: {},
  exitWith: () => undefined,
  terminal: {
    out: () => undefined,
    err: () => undefined,
    isWatched: false,
    interruption: () => new AbortController().signal,
  },
});

it('names every command in its table, and no other', () => {
  const named = [...document.matchAll(/^\| `cmux-lifecycle ([\w-]+)` \|/gm)].map(([, name]) => name);
  expect(named.sort()).toEqual(program.commands.map((command) => command.name()).sort());
});

it('every option it names is there', () => {
  const known = program.commands.flatMap((command) =>
    [command, ...command.commands].flatMap(({ options }) => options.map(({ long }) => long)),
  );
  const named = [...document.matchAll(/`(--[a-z-]+)/g)]
    .map(([, name]) => name)
    .filter((name) => name !== '--help');
  expect(named.filter((name) => !known.includes(name ?? ''))).toEqual([]);
});

it('lists every exit status', () => {
  const listed = [...document.matchAll(/^\| (\d+) \|/gm)].map(([, status]) => Number(status));
  expect(listed).toEqual(Object.values(EXIT));
});

it('every command says in its help what it does', () => {
  const silent = program.commands.filter((command) => command.description() === '');
  expect(silent.map((command) => command.name())).toEqual([]);
});
