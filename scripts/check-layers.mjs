/**
 * Checks the layer rules of .dependency-cruiser.cjs on src, and that nobody but src/main reads process.env.
 * Run in the folder that holds src. It fails, too, when fewer files were looked at than there are: a cruise of
 * nothing finds nothing (with TypeScript 7, for one, dependency-cruiser sees no file and reports success).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { cruise } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import ts from 'typescript';

const SOURCES = 'src';
const { forbidden, options } = createRequire(import.meta.url)(resolve('.dependency-cruiser.cjs'));

const files = readdirSync(SOURCES, { recursive: true })
  .filter((file) => /\.tsx?$/.test(file))
  .map((file) => join(SOURCES, file));

const { output } = await cruise(
  [SOURCES],
  { ...options, ruleSet: { forbidden }, validate: true },
  undefined,
  { tsConfig: extractTSConfig(options.tsConfig.fileName) },
);

const problems = output.summary.violations.map(({ rule, from, to, cycle }) => {
  const { comment } = forbidden.find(({ name }) => name === rule.name);
  const path = cycle ? cycle.map(({ name }) => name).join(' → ') : to;
  return `${from} → ${path}\n    ${rule.name}: ${comment}`;
});

for (const file of files.filter((name) => !name.startsWith(join(SOURCES, 'main')))) {
  for (const line of environmentReads(file)) {
    problems.push(`${file}:${line}\n    only main reads the environment: take a setting from Config.`);
  }
}

const cruised = new Set(output.modules.map(({ source }) => source));
const missed = files.filter((file) => !cruised.has(file));
if (missed.length > 0 || files.length === 0) {
  problems.push(
    `${missed.length} of ${files.length} files were not looked at: ${missed.slice(0, 5).join(', ')}`,
  );
}

for (const problem of problems) console.error(problem);
console.log(`${files.length - missed.length} files looked at, ${problems.length} problems with layers`);
process.exitCode = problems.length === 0 ? 0 : 1;

/** The lines on which `process.env` or `process['env']` is used; comments and texts do not count. */
function environmentReads(file) {
  const tree = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  const lines = [];
  const visit = (node) => {
    const isProcess = (candidate) => /^(globalThis\.)?process$/.test(candidate.getText(tree));
    const byName =
      ts.isPropertyAccessExpression(node) && node.name.text === 'env' && isProcess(node.expression);
    const byKey =
      ts.isElementAccessExpression(node) &&
      isProcess(node.expression) &&
      ts.isStringLiteralLike(node.argumentExpression) &&
      node.argumentExpression.text === 'env';
    const byPattern =
      ts.isVariableDeclaration(node) &&
      ts.isObjectBindingPattern(node.name) &&
      node.initializer !== undefined &&
      isProcess(node.initializer) &&
      node.name.elements.some((element) => (element.propertyName ?? element.name).getText(tree) === 'env');
    if (byName || byKey || byPattern) {
      lines.push(tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return lines;
}
