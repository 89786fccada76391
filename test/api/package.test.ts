/** The package as others get it: packed, installed into an empty project, used over either transport. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PRESET } from '../support/system.ts';
import { startTestApi, type TestApi } from './support.ts';

const run = promisify(execFile);
const project = fileURLToPath(new URL('../..', import.meta.url));
const tsc = join(project, 'node_modules/@typescript/native/bin/tsc');
const SLOW = 240_000;

let folder: string;
let built: string;
let app: string;
let tarball: string;
let packed: {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
};
let api: TestApi;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-package-'));
  built = join(folder, 'package');
  app = join(folder, 'app');
  const dist = join(built, 'dist');
  mkdirSync(dist, { recursive: true });
  // In a folder of its own: a test must not write what somebody may be running.
  const where = ['--outDir', dist, '--tsBuildInfoFile', join(folder, '.tsbuildinfo')];
  await run(process.execPath, [tsc, '-p', 'tsconfig.build.json', ...where], { cwd: project });
  cpSync(join(project, 'src/store/scripts'), join(dist, 'store/scripts'), { recursive: true });
  cpSync(join(project, 'package.json'), join(built, 'package.json'));
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json'], { cwd: built });
  [packed] = JSON.parse(stdout) as [typeof packed];
  tarball = join(built, packed.filename);

  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), '{ "name": "app", "private": true, "type": "module" }');
  await run('npm', ['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', tarball], {
    cwd: app,
  });
  api = await startTestApi();
}, SLOW);

afterAll(async () => {
  await api?.close();
  rmSync(folder, { recursive: true, force: true });
});

const TRANSPORTS: readonly [string, () => string][] = [
  [
    'client',
    () => `import { createFetchClient } from 'cmux-lifecycle/client';
const lifecycle = createFetchClient({ baseUrl: '${api.url}' });`,
  ],
  [
    'producer',
    () => `import { createRedisProducer } from 'cmux-lifecycle/producer';
const lifecycle = await createRedisProducer({
  redisUrl: '${api.test.options.redis.url}', deployment: '${api.test.options.deployment}' });`,
  ],
];

test.each(TRANSPORTS)(
  'ten lines with cmux-lifecycle/%s start and destroy a sandbox',
  { timeout: SLOW },
  async (name, connect) => {
    const lines = `${connect()}
const { id, state, provider, endpoints } = await lifecycle.start({ preset: '${PRESET}' });
const paused = await lifecycle.pause(id);
const resumed = await lifecycle.resume(id);
const destroyed = await lifecycle.destroy(id);
await lifecycle.close();
console.log(JSON.stringify([state, provider, endpoints.worker, paused.state, resumed.memoryKept, destroyed.state]));
`;
    expect(lines.trim().split('\n').length).toBeLessThanOrEqual(10);
    writeFileSync(join(app, `${name}.js`), lines);
    const { stdout } = await run(process.execPath, [`${name}.js`], { cwd: app });
    expect(JSON.parse(stdout)).toEqual([
      'running',
      'pve-vm',
      expect.stringContaining('http'),
      'paused',
      true,
      'destroyed',
    ]);
  },
);

test('a consumer compiles: the client without any types of Node, the producer with them', {
  timeout: SLOW,
}, async () => {
  writeFileSync(
    join(app, 'client.ts'),
    `import { createFetchClient, isLifecycleError, type SandboxView, type StartInput } from 'cmux-lifecycle/client';
const input: StartInput = { preset: 'small', workloadType: 'dev', metadata: { app: 'cmux' } };
export async function start(): Promise<SandboxView | string> {
  try {
    const client = createFetchClient({ baseUrl: 'http://127.0.0.1:8787', token: 'secret' });
    const { sandboxes } = await client.list({ state: ['running', 'paused'], metadata: { app: 'cmux' } });
    return sandboxes[0] ?? (await client.start(input, { idempotencyKey: 'run-1', timeoutMs: 60_000 }));
  } catch (error) {
    if (isLifecycleError(error) && error.code === 'no_provider_available') return error.message;
    throw error;
  }
}
// @ts-expect-error there is no such field
export const wrong: StartInput = { preset: 'small', flavour: 'large' };
`,
  );
  writeFileSync(
    join(app, 'producer.ts'),
    `import { createRedisProducer, type LifecycleClient } from 'cmux-lifecycle/producer';
export const connect = (): Promise<LifecycleClient> =>
  createRedisProducer({ redisUrl: 'redis://127.0.0.1:6379', deployment: 'local' });
`,
  );
  const nodeNext = { module: 'nodenext', moduleResolution: 'nodenext' };
  const bundler = { module: 'esnext', moduleResolution: 'bundler' };
  for (const resolution of [nodeNext, bundler]) {
    await compile('client.ts', { ...resolution, lib: ['ES2022', 'DOM'], types: [] });
  }
  const typeRoots = [join(project, 'node_modules/@types')];
  await compile('producer.ts', { ...nodeNext, types: ['node'], typeRoots, skipLibCheck: true });
});

async function compile(file: string, compilerOptions: Readonly<Record<string, unknown>>): Promise<void> {
  const strict = { noEmit: true, strict: true, exactOptionalPropertyTypes: true, target: 'es2022' };
  const options = { compilerOptions: { ...strict, ...compilerOptions }, files: [file] };
  writeFileSync(join(app, 'tsconfig.json'), JSON.stringify(options));
  const result = await run(process.execPath, [tsc], { cwd: app }).catch((error: { stdout: string }) => error);
  expect(result.stdout).toBe('');
}

test('publint and are-the-types-wrong find nothing', { timeout: SLOW }, async () => {
  const { messages } = await publint({ pkgDir: built, pack: false, strict: true });
  expect(messages).toEqual([]);
  const checked = await checkPackage(createPackageFromTarballData(readFileSync(tarball)));
  if (!checked.types) throw new Error('the package has no types');
  // ESM only, as the package says: CommonJS and the resolution of before 2019 cannot know it.
  const esm = checked.problems.filter(
    (problem) => !('resolutionKind' in problem) || /^(node16-esm|bundler)$/.test(problem.resolutionKind),
  );
  expect(esm).toEqual([]);
});

/** The code alone; the documents with their pictures come on top. */
const MOST_BYTES = 1_000_000;

test('it holds what runs and its types, no tests and no sources, and stays small', () => {
  const others = packed.files.filter(
    ({ path }) => !/^dist\/.+\.(js|d\.ts|lua|css)$|^package\.json$/.test(path),
  );
  expect(others).toEqual([]);
  expect(packed.size).toBeLessThan(MOST_BYTES);
});

test.each(['producer', 'adapters', 'webhook', 'client'] as const)(
  'cmux-lifecycle/%s reaches neither simulators nor workers nor the command line',
  (name) => {
    const { exports } = JSON.parse(readFileSync(join(built, 'package.json'), 'utf8')) as {
      exports: Record<string, { default: string }>;
    };
    const reached = reachedFrom(join(built, exports[`./${name}`]?.default ?? ''));
    expect(reached.size).toBeGreaterThan(1);
    const foreign = [...reached].filter((file) =>
      /dist\/(simulators|workers|dashboard|main|providers)\//.test(file),
    );
    expect(foreign).toEqual([]);
  },
);

/** Every file of ours that an entry point loads, directly or not. */
function reachedFrom(file: string, seen: Set<string> = new Set()): ReadonlySet<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const [, path = ''] of readFileSync(file, 'utf8').matchAll(/(?:from |import\()["'](\.[^"']+)["']/g)) {
    reachedFrom(join(file, '..', path), seen);
  }
  return seen;
}

test('the command comes with it, and what the demo simulates', { timeout: SLOW }, async () => {
  const bin = join(app, 'node_modules/.bin/cmux-lifecycle');
  const env = { PATH: process.env.PATH };
  expect((await run(bin, ['--help'], { env })).stdout).toContain('Usage: cmux-lifecycle');
  // Without credentials it looks at simulated providers.
  const { stdout } = await run(bin, ['doctor', '-o', 'json'], { env, cwd: app });
  expect(JSON.parse(stdout).providers[0]).toMatchObject({ provider: 'pve-vm', simulated: true });
});

test('the fetch client runs where there is neither Node nor a package', { timeout: SLOW }, async () => {
  const script = fileURLToPath(new URL('./in-vm.mjs', import.meta.url));
  const client = join(app, 'node_modules/cmux-lifecycle/dist/producers/fetch-client.js');
  const { stdout } = await run(process.execPath, [
    '--experimental-vm-modules',
    script,
    client,
    api.url,
    PRESET,
  ]);
  expect(JSON.parse(stdout)).toEqual({
    state: 'running',
    code: 'not_found',
    process: 'undefined',
    after: 'destroyed',
  });
});
