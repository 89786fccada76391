/** Every promise in docs/guarantees.md names tests that exist, under the titles it gives. */
import { existsSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const DOCUMENT = 'docs/guarantees.md';
const PROOF = /^- (test\/\S+\.test\.ts) › (.+)$/;

interface Promised {
  readonly heading: string;
  readonly proofs: readonly { readonly file: string; readonly title: string }[];
}

describe('docs/guarantees.md', () => {
  const promises = readPromises(readFileSync(DOCUMENT, 'utf8'));

  it('holds promises, each with a proof', () => {
    expect(promises.length).toBeGreaterThan(0);
    expect(promises.filter(({ proofs }) => proofs.length === 0)).toEqual([]);
  });

  it.each(promises)('names tests that exist for "$heading"', ({ proofs }) => {
    expect(missing(proofs)).toEqual([]);
  });
});

describe('the check of proofs', () => {
  it('misses a title that differs by one letter, a skipped test and a file that is not there', () => {
    const here = 'test/project/guarantees.test.ts';
    const proofs = [
      { file: here, title: 'holds promises, each with a proof' },
      { file: here, title: 'holds promises, each with a proof.' },
      { file: 'test/no-such.test.ts', title: 'anything' },
    ];
    expect(missing(proofs)).toEqual(proofs.slice(1));
    expect(titlesIn(`it.skip('later', () => {}); it.todo('sometime'); it('now', () => {});`)).toEqual(
      new Set(['now']),
    );
  });

  it('reads titles as they are written, tables and templates too', () => {
    const source = [
      "test.each([1])('takes %i', () => {});",
      `test(\`worker \${when} it\`, () => {});`,
      `it("it's so", () => {});`,
    ];
    expect(titlesIn(source.join('\n'))).toEqual(new Set(['takes %i', `worker \${when} it`, "it's so"]));
  });

  it('reads headings with their bullets as proofs, up to the next section', () => {
    const text =
      '## What holds\n### A\n- test/a.test.ts › one › two\n- b\n### B\nwords\n## Residual windows\n### C\n';
    expect(readPromises(text)).toEqual([
      {
        heading: 'A',
        proofs: [
          { file: 'test/a.test.ts', title: 'one › two' },
          { file: '- b', title: '' },
        ],
      },
      { heading: 'B', proofs: [] },
    ]);
  });
});

function readPromises(document: string): readonly Promised[] {
  const [, after = ''] = document.split(/^## What holds$/m);
  const [section = ''] = after.split(/^## /m);
  return section
    .split(/^### /m)
    .slice(1)
    .map((part) => {
      const [heading = '', ...lines] = part.split('\n');
      const bullets = lines.filter((line) => line.startsWith('- '));
      // One that is no proof is kept, so that it is found missing.
      const proofs = bullets.map((line) => {
        const [, file = line, title = ''] = PROOF.exec(line) ?? [];
        return { file, title };
      });
      return { heading, proofs };
    });
}

function missing(proofs: Promised['proofs']): Promised['proofs'] {
  return proofs.filter(
    ({ file, title }) => !existsSync(file) || !titlesIn(readFileSync(file, 'utf8')).has(title),
  );
}

/** The titles of a file's tests as they are written; tests that never run prove nothing. */
function titlesIn(text: string): ReadonlySet<string> {
  const source = ts.createSourceFile('test.ts', text, ts.ScriptTarget.Latest, true);
  const titles = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && runsTests(node.expression, source)) {
      const [title] = node.arguments;
      if (title && ts.isStringLiteralLike(title)) titles.add(title.text);
      else if (title && ts.isTemplateExpression(title)) titles.add(title.getText(source).slice(1, -1));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return titles;
}

/** `it`, `test`, `it.each(…)`, `it.each<…>(…)`. */
function runsTests(callee: ts.Expression, source: ts.SourceFile): boolean {
  const called = ts.isCallExpression(callee) ? callee.expression : callee;
  const isTable = ts.isCallExpression(callee);
  return (isTable ? /^(it|test)\.each$/ : /^(it|test)$/).test(called.getText(source));
}
