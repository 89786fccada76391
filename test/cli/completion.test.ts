/** Completion scripts, run by the shells they are for; those that this machine does not have are skipped. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli } from './run.ts';

const run = promisify(execFile);
const ASK_BASH = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cmux_lifecycle
printf '%s\\n' "\${COMPREPLY[@]}"`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-completion-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function scriptFor(shell: string): Promise<string> {
  const { status, out } = await cli(['completion', shell]);
  expect(status).toBe(0);
  const file = join(folder, `completion.${shell}`);
  writeFileSync(file, out);
  return file;
}

describe('bash', () => {
  /** What it offers for the last word. */
  async function offered(...words: readonly string[]): Promise<readonly string[]> {
    const { stdout } = await run('bash', [
      '--norc',
      '-c',
      ASK_BASH,
      'bash',
      await scriptFor('bash'),
      'cmux-lifecycle',
      ...words,
    ]);
    return stdout.split('\n').filter((word) => word !== '');
  }

  it('offers the commands', async () => {
    expect(await offered('de')).toEqual(['demo', 'destroy', 'destruction']);
    expect(await offered('')).toEqual(expect.arrayContaining(['serve', 'list', 'completion', '--output']));
  });

  it('offers the options of a command, and those of all', async () => {
    expect(await offered('list', '--st')).toEqual(['--state']);
    expect(await offered('list', '--')).toEqual(expect.arrayContaining(['--ended', '--output']));
    expect(await offered('pause', 'sbx-1', '--w')).toEqual(['--without-memory']);
  });

  it('offers the values of an option that has some, and nothing else', async () => {
    expect(await offered('list', '--state', 'pau')).toEqual(['pausing', 'paused']);
    expect(await offered('serve', '--role', '')).toEqual(['all', 'api', 'workers']);
    expect(await offered('show', 'sbx-1', '-o', '')).toEqual(['table', 'json', 'markdown']);
    expect(await offered('start', '--preset', '')).toEqual([]);
  });

  it('goes down into groups of commands', async () => {
    expect(await offered('config', '')).toEqual(expect.arrayContaining(['check', 'reference']));
    expect(await offered('config', 'check', '--r')).toEqual(['--role']);
    expect(await offered('-o', 'json', 'token', 'cr')).toEqual(['create']);
  });
});

it.skipIf(!existsSync('/usr/bin/zsh'))('zsh offers the same', async () => {
  const script = `compdef() { :; }; source "$1"; _describe() { print -l -- \${(P)2}; }
words=(cmux-lifecycle config ch); CURRENT=3; _cmux_lifecycle; compadd() { shift; print -l -- "$@"; }
words=(cmux-lifecycle serve --role ''); CURRENT=4; _cmux_lifecycle`;
  const { stdout, stderr } = await run('/usr/bin/zsh', ['-f', '-c', script, 'zsh', await scriptFor('zsh')]);
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^check:reads the environment/m);
  expect(stdout.trim().split('\n').slice(-3)).toEqual(['all', 'api', 'workers']);
});

it.skipIf(!existsSync('/usr/bin/fish'))('fish offers the same', async () => {
  const file = await scriptFor('fish');
  const offered = async (line: string) => {
    const ask = `source ${file}; complete -C '${line}'`;
    const { stdout } = await run('/usr/bin/fish', ['--no-config', '-c', ask], {
      env: { ...process.env, HOME: folder },
    });
    return stdout
      .split('\n')
      .map((told) => told.split('\t')[0])
      .filter((word) => word !== '');
  };
  expect(await offered('cmux-lifecycle de')).toEqual(['demo', 'destroy', 'destruction']);
  expect(await offered('cmux-lifecycle config c')).toEqual(['check']);
  expect(await offered('cmux-lifecycle serve --role ')).toEqual(['all', 'api', 'workers']);
});
