/**
 * The fenced blocks of the documents. The first line of a fence names its language; one of shell commands says as
 * well what becomes of it here:
 *
 * - `sh run`: run by test/docs/run.test.ts, in the order of the document, in one shell
 * - `sh run background`: the same, beside what follows, until the end of the document; it says when it is up
 * - `sh real-hardware`: needs a real Proxmox VE, a real Morph account, a host of its own or an engine of containers
 * - `sh illustration`: shows a form; names, addresses or files in it are made up, or it takes minutes
 *
 * `js save try.mjs` is written to that file before what follows is run. `text prints` after a block that is run is
 * what it prints: ids, numbers and white space may differ, and `…` stands for anything on its line.
 */
import { readdirSync, readFileSync } from 'node:fs';

export interface Block {
  readonly file: string;
  readonly line: number;
  readonly language: string;
  /** What follows the language. */
  readonly mark: string;
  readonly text: string;
}

const FOLDERS = ['docs', 'guest', 'ops', 'deploy'];
const SHELLS = new Set(['sh', 'bash', 'shell', 'console', 'zsh']);
const SHELL_MARKS = new Set(['run', 'run background', 'real-hardware', 'illustration']);

export function listDocuments(): readonly string[] {
  const top = readdirSync('.').filter((name) => name.endsWith('.md'));
  const below = FOLDERS.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`),
  );
  return [...top, ...below].sort();
}

export function readBlocks(file: string, document = readFileSync(file, 'utf8')): readonly Block[] {
  const blocks: Block[] = [];
  let open: { line: number; language: string; mark: string; indent: number; lines: string[] } | undefined;
  for (const [at, line] of document.split('\n').entries()) {
    const [, indent = '', language = '', mark = ''] = /^( *)```(\S*) *(.*)$/.exec(line) ?? [];
    const isFence = /^ *```/.test(line);
    if (open === undefined && isFence)
      open = { line: at + 1, language, mark, indent: indent.length, lines: [] };
    else if (open !== undefined && isFence) {
      const { lines, indent: _, ...rest } = open;
      blocks.push({ file, ...rest, text: `${lines.join('\n')}\n` });
      open = undefined;
    } else open?.lines.push(line.slice(open.indent));
  }
  return blocks;
}

/** What is wrong with how a block is marked. */
export function faultOf({ language, mark }: Block): string | undefined {
  if (language === '') return 'names no language: use text for what is printed, sh for commands';
  if (!SHELLS.has(language)) return undefined;
  if (language !== 'sh') return `is called ${language}: use sh`;
  if (SHELL_MARKS.has(mark)) return undefined;
  return `has no mark that is known: use one of ${[...SHELL_MARKS].map((known) => `"sh ${known}"`).join(', ')}`;
}

export function isRun({ language, mark }: Block): boolean {
  return language === 'sh' && mark.startsWith('run');
}
