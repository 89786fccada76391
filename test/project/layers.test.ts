import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

const project = fileURLToPath(new URL('../..', import.meta.url));
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

type Files = Readonly<Record<string, string>>;

/** A project with our rules and the given files; `withSources` adds a copy of our own src. */
function plant(files: Files, { withSources = false } = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-layers-'));
  folders.push(folder);
  for (const name of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json']) {
    cpSync(join(project, name), join(folder, name));
  }
  symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'));
  if (withSources) cpSync(join(project, 'src'), join(folder, 'src'), { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

function check(folder: string): Promise<{ readonly failed: boolean; readonly output: string }> {
  return new Promise((resolve) => {
    const script = join(project, 'scripts', 'check-layers.mjs');
    execFile(process.execPath, [script], { cwd: folder }, (error, stdout, stderr) => {
      resolve({ failed: error !== null, output: stdout + stderr });
    });
  });
}

const imports = (path: string) => `import * as planted from '${path}';\nexport const used = planted;\n`;

/** One violation each: the file that commits it, what is in it, and the rule that has to name the file. */
const VIOLATIONS: readonly (readonly [string, string, string])[] = [
  ['src/core/planted-upwards.ts', imports('../platform/planted-target.ts'), 'layer-core'],
  ['src/core/planted-builtin.ts', imports('node:fs'), 'core-is-pure'],
  ['src/core/planted-package.ts', imports('zod'), 'core-is-pure'],
  ['src/platform/planted.ts', imports('../store/planted-target.ts'), 'layer-platform'],
  ['src/store/planted.ts', imports('../queues/planted-target.ts'), 'layer-store'],
  ['src/providers/planted.ts', imports('../store/planted-target.ts'), 'layer-providers'],
  ['src/queues/planted.ts', imports('../providers/planted-target.ts'), 'layer-queues'],
  ['src/producers/planted.ts', imports('../workers/planted-target.ts'), 'layer-producers'],
  ['src/producers/planted-provider.ts', imports('../providers/planted-target.ts'), 'layer-producers'],
  ['src/workers/planted.ts', imports('../dashboard/planted-target.ts'), 'layer-workers'],
  ['src/dashboard/planted.tsx', imports('../producers/planted-target.ts'), 'layer-dashboard'],
  ['src/simulators/planted.ts', imports('../providers/planted-target.ts'), 'layer-simulators'],
  [
    'src/workers/planted-driver.ts',
    imports('../providers/pve/planted-target.ts'),
    'workers-know-the-contract-only',
  ],
  ['src/providers/pve/planted.ts', imports('../morph/planted-target.ts'), 'drivers-stand-alone'],
  [
    'src/providers/planted-driver.ts',
    imports('./pve/planted-target.ts'),
    'shared-provider-code-names-no-driver',
  ],
  ['src/simulators/pve/planted.ts', imports('../morph/planted-target.ts'), 'simulators-stand-alone'],
  ['src/store/planted-queue.ts', imports('bullmq'), 'home-of-bullmq'],
  [
    'src/producers/planted-type.ts',
    "import type { Queue } from 'bullmq';\nexport type Planted = Queue;\n",
    'home-of-bullmq',
  ],
  ['src/producers/planted-redis.ts', imports('ioredis'), 'home-of-ioredis'],
  ['src/queues/planted-http.ts', imports('hono'), 'home-of-hono'],
  ['src/queues/planted-server.ts', imports('@hono/node-server'), 'home-of-@hono'],
  ['src/workers/planted-board.ts', imports('@bull-board/api'), 'home-of-@bull-board'],
  ['src/providers/morph/planted-undici.ts', imports('undici'), 'home-of-undici'],
  ['src/platform/planted-cli.ts', imports('commander'), 'home-of-commander'],
  ['src/platform/planted-process.ts', imports('node:process'), 'environment-is-read-in-main'],
  ['src/producers/fetch-planted.ts', imports('node:crypto'), 'fetch-client-runs-anywhere'],
  ['src/producers/fetch-planted-more.ts', imports('./redis-producer.ts'), 'fetch-client-runs-anywhere'],
  ['src/store/planted-circle-a.ts', imports('./planted-circle-b.ts'), 'no-circular'],
  ['src/store/planted-missing.ts', imports('./no-such-file.ts'), 'resolvable'],
  ['src/platform/planted-dev.ts', imports('fast-check'), 'no-dev-dependencies'],
  [
    'src/platform/planted-env.ts',
    'export const path = process.env.PATH;\n',
    'only main reads the environment',
  ],
  ['src/platform/planted-key.ts', "export const env = process['env'];\n", 'only main reads the environment'],
  [
    'src/platform/planted-pattern.ts',
    'const { env } = process;\nexport { env };\n',
    'only main reads the environment',
  ],
];

const TARGETS: Files = Object.fromEntries([
  ...['platform', 'store', 'queues', 'providers', 'workers', 'dashboard', 'producers']
    .concat('providers/pve', 'providers/morph', 'simulators/morph')
    .map((layer) => [`src/${layer}/planted-target.ts`, 'export const target = 1;\n']),
  ['src/store/planted-circle-b.ts', imports('./planted-circle-a.ts')],
]);

/** What is right, close to each rule. */
const ALLOWED: Files = {
  'src/core/decide.ts': 'export const decide = () => 1;\n',
  'src/core/decide-more.ts': imports('./decide.ts'),
  'src/platform/config.ts':
    imports('zod') +
    imports('../core/decide.ts').replaceAll('used', 'alsoUsed').replaceAll('planted', 'alsoPlanted'),
  'src/platform/comment.ts': "/** Never `process.env` here. */\nexport const text = 'process.env';\n",
  'src/platform/signals.ts': 'export const pid = () => process.pid;\n',
  'src/store/records.ts': imports('ioredis'),
  'src/queues/submit.ts': imports('bullmq'),
  'src/providers/provider.ts': imports('../core/decide.ts'),
  'src/providers/http-client.ts': imports('undici'),
  'src/providers/pve/driver.ts': imports('../provider.ts'),
  'src/providers/pve/part.ts': imports('./driver.ts'),
  'src/workers/run.ts': imports('../providers/provider.ts'),
  'src/dashboard/page.tsx': imports('hono'),
  'src/main/wire.ts': `${imports('../providers/pve/driver.ts')}export const env = process.env;\n`,
};

describe('the check of layers', () => {
  it('accepts a project that keeps the rules, and says how many files it looked at', async () => {
    const { failed, output } = await check(plant(ALLOWED));
    expect(output.trim()).toBe(`${Object.keys(ALLOWED).length} files looked at, 0 problems with layers`);
    expect(failed).toBe(false);
  });

  it('finds each violation planted in a copy of our sources, with the advice of its rule', async () => {
    const planted = Object.fromEntries(VIOLATIONS.map(([path, text]) => [path, text]));
    const { failed, output } = await check(plant({ ...TARGETS, ...planted }, { withSources: true }));
    expect(failed).toBe(true);
    const findings = output.split('\n').map((line, index, lines) => line + (lines[index + 1] ?? ''));
    const missed = VIOLATIONS.filter(
      ([path, , rule]) =>
        !findings.some((finding) => finding.startsWith(path) && finding.includes(`    ${rule}`)),
    );
    expect(missed.map(([path, , rule]) => `${rule} did not find ${path}`)).toEqual([]);
  });

  it('fails for one violation alone', async () => {
    const { failed, output } = await check(
      plant({ ...ALLOWED, 'src/core/planted.ts': imports('../store/records.ts') }),
    );
    expect(output).toContain('src/core/planted.ts → src/store/records.ts');
    expect(output).toContain('1 problems');
    expect(failed).toBe(true);
  });

  it('fails when files were not looked at', async () => {
    const folder = plant(ALLOWED);
    const config = join(folder, '.dependency-cruiser.cjs');
    const blind = readFileSync(config, 'utf8').replace('options: {', "options: { exclude: '^src/core/',");
    writeFileSync(config, blind);
    const { failed, output } = await check(folder);
    expect(output).toContain('2 of 14 files were not looked at');
    expect(failed).toBe(true);
  });

  it('fails where there is nothing to look at', async () => {
    const { failed } = await check(plant({ 'src/readme.txt': '' }));
    expect(failed).toBe(true);
  });
});
