/**
 * Runs the commands of the documents as a reader would: in order, each document in a folder of its own with the
 * package as it is built, in local mode, with simulated providers. What differs from a reader's terminal: `npm ci`
 * finds what is installed here, the package is built before, and ports are free ones.
 */
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type BuiltCli, buildCli } from '../support/built-cli.ts';
import { type Block, isRun, listDocuments, readBlocks } from './blocks.ts';
import { firstMissing } from './printed.ts';
import { type Background, openShell, type Shell } from './shell.ts';

const documents = listDocuments().filter((file) => readBlocks(file).some(isRun));

let built: BuiltCli;
const folders: string[] = [];

beforeAll(() => {
  built = buildCli();
});

afterAll(async () => {
  await built?.close();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

it('is told of a command that fails, and of one that prints something else', {
  timeout: 60_000,
}, async () => {
  const shown = (text: string) => follow(readBlocks('x.md', text));
  await shown(
    '```sh run\nNAME=world\n```\n```sh run\necho "hello $NAME"\n```\n```text prints\nhello world\n```\n',
  );
  await expect(shown('```sh run\nfalse\necho on\n```\n')).rejects.toThrow('x.md:1');
  await expect(shown('```sh run\necho one\n```\n```text prints\ntwo\n```\n')).rejects.toThrow('x.md:4');
});

// Side by side: nearly all of their time is waiting for simulated machines.
it.concurrent.each(documents)(
  'every command of %s that can be run here works',
  { timeout: 240_000 },
  async (file) => {
    await follow(readBlocks(file));
  },
);

async function follow(blocks: readonly Block[]): Promise<void> {
  const folder = makeFolder();
  const shell = openShell(folder, {
    PATH: `${join(folder, 'bin')}:${process.env.PATH ?? ''}`,
    HOME: folder,
    PORT: '0',
  });
  try {
    await followIn(shell, folder, blocks);
  } finally {
    await shell.close();
  }
}

async function followIn(shell: Shell, folder: string, blocks: readonly Block[]): Promise<void> {
  const started: { readonly block: Block; readonly process: Background; readonly shown: Block[] }[] = [];
  let last: { readonly printed: string } | undefined;
  for (const block of blocks) {
    if (block.language === 'text' && block.mark === 'prints') {
      if (last) expectPrinted(block, last.printed);
      else started.at(-1)?.shown.push(block);
      continue;
    }
    const server = started.at(-1);
    const isForeground = isRun(block) && block.mark === 'run';
    // The reader waits for a server before using it, and does not before starting the next one.
    const addresses = isForeground && server ? await addressesOf(server) : undefined;
    const text = addresses ? withAddresses(block.text, addresses) : block.text;
    if (isForeground) last = { printed: await at(block, shell.run(text)) };
    if (isRun(block) && !isForeground) {
      started.push({ block, process: shell.start(text), shown: [] });
      last = undefined;
    }
    if (block.mark.startsWith('save ')) {
      const current = server ? withAddresses(text, await addressesOf(server)) : text;
      writeFileSync(join(folder, block.mark.slice('save '.length)), current);
    }
  }
  for (const { block, process, shown } of started) {
    const printed = await at(block, process.up);
    for (const expected of shown) expectPrinted(expected, printed);
  }
}

interface Addresses {
  readonly http: string;
  readonly redis?: string;
}

async function addressesOf({
  block,
  process,
}: {
  readonly block: Block;
  readonly process: Background;
}): Promise<Addresses> {
  const printed = await at(block, process.up);
  const [http = ''] = /http:\/\/127\.0\.0\.1:\d+/.exec(printed) ?? [];
  const [redis] = /redis:\/\/127\.0\.0\.1:\d+/.exec(printed) ?? [];
  return { http, ...(redis === undefined ? {} : { redis }) };
}

/** What a document calls by the default port, or by the one that its example printed. */
function withAddresses(text: string, { http, redis }: Addresses): string {
  const local = text.replaceAll('http://127.0.0.1:8787', http);
  return redis === undefined ? local : local.replaceAll(/redis:\/\/127\.0\.0\.1:\d+/g, redis);
}

function expectPrinted(block: Block, printed: string): void {
  const missing = firstMissing(block.text, printed);
  if (missing !== undefined) {
    throw new Error(`${block.file}:${block.line} shows "${missing}", which was not printed:\n${printed}`);
  }
}

async function at<T>(block: Block, result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (error) {
    throw new Error(`${block.file}:${block.line} ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** What a reader has after cloning, as far as documents use it. */
function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-docs-'));
  folders.push(folder);
  for (const name of ['.env.example', 'examples', 'package-lock.json']) {
    cpSync(name, join(folder, name), { recursive: true });
  }
  symlinkSync(join(built.folder, 'dist'), join(folder, 'dist'));
  symlinkSync(join(built.folder, 'node_modules'), join(folder, 'node_modules'));
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
  manifest.scripts.build = 'true';
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  mkdirSync(join(folder, 'bin'));
  // `npm ci` would empty the folder of packages that this run stands on.
  const npm = join(folder, 'bin', 'npm');
  const others = process.env.PATH ?? '';
  writeFileSync(npm, `#!/bin/sh\n[ "$1" = ci ] && exit 0\nPATH='${others}'\nexec npm "$@"\n`);
  chmodSync(npm, 0o755);
  return folder;
}
