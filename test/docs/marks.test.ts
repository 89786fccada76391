/** Every block of commands in the documents says whether it is run, and every link in them leads somewhere. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { faultOf, listDocuments, readBlocks } from './blocks.ts';
import { firstMissing } from './printed.ts';

const documents = listDocuments();

describe('the documents', () => {
  it('mark each block', () => {
    const faults = documents.flatMap((file) =>
      readBlocks(file).flatMap((block) => {
        const fault = faultOf(block);
        return fault === undefined ? [] : [`${file}:${block.line} ${fault}`];
      }),
    );
    expect(faults).toEqual([]);
  });

  it('have links that lead somewhere', () => {
    const broken = documents.flatMap((file) =>
      brokenLinks(file, readFileSync(file, 'utf8')).map((target) => `${file} → ${target}`),
    );
    expect(broken).toEqual([]);
  });
});

describe('the check of documents', () => {
  it('refuses commands without a mark, with an unknown one, and blocks without a language', () => {
    const blocks = readBlocks(
      'x.md',
      '```sh\na\n```\n```sh later\nb\n```\n```\nc\n```\n```bash run\nd\n```\n  ```sh run\n  e\n  ```\n```json\n{}\n```\n',
    );
    expect(blocks.map((block) => faultOf(block) !== undefined)).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(blocks[4]).toMatchObject({ line: 13, text: 'e\n' });
  });

  it('finds links to files and headings that are not there', () => {
    const text = '[a](README.md) [b](no-such.md) [c](#here) [d](#gone) [e](CONTEXT.md#states)\n## Here\n';
    expect(brokenLinks('x.md', text)).toEqual(['no-such.md', '#gone']);
  });

  it('tells what was printed apart from what was not', () => {
    const printed = '  paused, memory kept: true\n  sbx-01abc runs on pve-vm, VMID 22016\n';
    expect(firstMissing('paused, memory kept: true\n…\nsbx-9 runs on …, VMID 7', printed)).toBeUndefined();
    expect(firstMissing('paused, memory kept: false', printed)).toBe('paused, memory kept: false');
    expect(firstMissing('sbx-9 runs on pve-vm\npaused, …', printed)).toBe('paused, …');
  });
});

function brokenLinks(file: string, text: string): readonly string[] {
  const prose = text.replace(/^ *```[\s\S]*?^ *```/gm, '').replace(/`[^`\n]*`/g, '');
  const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets.filter((target) => {
    if (/^[a-z]+:/.test(target)) return false;
    const [path = '', anchor] = target.split('#');
    const linked = path === '' ? file : join(dirname(file), path);
    if (path !== '' && !existsSync(linked)) return true;
    if (anchor === undefined || !linked.endsWith('.md')) return false;
    return !anchorsOf(path === '' ? text : readFileSync(linked, 'utf8')).has(anchor);
  });
}

/** As GitHub makes them of headings. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}
