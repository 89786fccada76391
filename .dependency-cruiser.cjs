/**
 * The layers of ARCHITECTURE.md (see also CONTEXT.md), made checkable. Each rule's comment says what to do
 * when it fires. `npm run check:layers` runs this.
 */

/** Folders and what of our own they may import besides themselves. `main` may import everything. */
const MAY_IMPORT = {
  core: [],
  platform: ['core'],
  store: ['core', 'platform'],
  providers: ['core', 'platform'],
  queues: ['core', 'platform', 'store'],
  producers: ['core', 'platform', 'store', 'queues'],
  workers: ['core', 'platform', 'store', 'queues', 'providers'],
  dashboard: ['core', 'platform', 'store', 'queues'],
  simulators: ['core', 'platform'],
};

const ADVICE = {
  core: 'core decides and touches nothing: take what you need as an argument, or define a port in core/ports.ts that a lower layer fills.',
  platform:
    'platform serves every layer above it: move the shared part down into platform or core, or inject it from main.',
  store: 'store knows records, not queues or providers: return data and let the caller act on it.',
  providers:
    'a driver knows its provider and nothing of Redis or queues: define a port in core and have main inject it.',
  queues: 'queues only submit: hand over data, and let workers call providers.',
  producers:
    'producers learn about providers from what workers publish in the store; they share code with other columns through queues, store or core.',
  workers: 'columns never import one another: move the shared part down into queues, store or core.',
  dashboard: 'the dashboard only reads: take it from store or queues, or move the shared part down.',
  simulators:
    'simulators stand outside, as the real providers do: talk over HTTP, and share only core and platform.',
};

const layerRules = Object.entries(MAY_IMPORT).map(([layer, allowed]) => ({
  name: `layer-${layer}`,
  comment: ADVICE[layer],
  severity: 'error',
  from: { path: `^src/${layer}/` },
  to: { path: '^src/', pathNot: `^src/(${[layer, ...allowed].join('|')})/` },
}));

/** Packages and where they are at home. Type-only imports count too: they shape the code just as well. */
const HOMES = {
  bullmq: {
    home: '^src/(queues|workers|dashboard|main)/',
    comment:
      'bullmq is at home in queues, workers, dashboard and main: submit through queues/, read through store/.',
  },
  '@bull-board/[^/]+': {
    home: '^src/(dashboard|main)/',
    comment: 'Bull Board belongs to the dashboard.',
  },
  ioredis: {
    home: '^src/(platform|store|queues)/',
    comment:
      'ioredis is at home in platform, store and queues: take a store object as a dependency instead of a connection.',
  },
  hono: {
    home: '^src/(dashboard|producers|main)/',
    comment:
      'hono is at home in dashboard, producers and main; simulators use node:http, so that they share no bug with us.',
  },
  '@hono/[^/]+': {
    home: '^src/(dashboard|producers|main)/',
    comment: 'hono is at home in dashboard, producers and main.',
  },
  undici: {
    home: '^src/providers/http-client\\.ts$',
    comment:
      'call createHttpClient from providers/http-client.ts: it knows whether bytes were sent, which is what effects rest on.',
  },
  commander: {
    home: '^src/main/',
    comment: 'only main has a command line.',
  },
  zod: {
    home: '^src/(platform|store|providers|queues|producers|workers|dashboard|simulators|main)/',
    comment: 'parse at the edge and hand core a plain type.',
  },
};

const homeRules = Object.entries(HOMES).map(([name, { home, comment }]) => ({
  name: `home-of-${name.replace('/[^/]+', '')}`,
  comment,
  severity: 'error',
  from: { path: '^src/', pathNot: home },
  to: { path: `(^|/)node_modules/${name}/` },
}));

module.exports = {
  forbidden: [
    ...layerRules,
    ...homeRules,
    {
      name: 'core-is-pure',
      comment: 'core imports no package and no Node built-in: time, ids and randomness are arguments.',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { dependencyTypesNot: ['local'], pathNot: '^src/' },
    },
    {
      name: 'workers-know-the-contract-only',
      comment:
        'import src/providers/provider.ts, provider-error.ts or another shared file of src/providers; main injects drivers.',
      severity: 'error',
      from: { path: '^src/workers/' },
      to: { path: '^src/providers/[^/]+/' },
    },
    {
      name: 'drivers-stand-alone',
      comment: 'a driver imports no other driver: move what both need up into src/providers/.',
      severity: 'error',
      from: { path: '^src/providers/([^/]+)/' },
      to: { path: '^src/providers/[^/]+/', pathNot: '^src/providers/$1/' },
    },
    {
      name: 'shared-provider-code-names-no-driver',
      comment: 'only main names concrete drivers: pass what differs as an option.',
      severity: 'error',
      from: { path: '^src/providers/[^/]+$' },
      to: { path: '^src/providers/[^/]+/' },
    },
    {
      name: 'simulators-stand-alone',
      comment: 'a simulator imports no other simulator: move what both need up into src/simulators/.',
      severity: 'error',
      from: { path: '^src/simulators/([^/]+)/' },
      to: { path: '^src/simulators/[^/]+/', pathNot: '^src/simulators/$1/' },
    },
    {
      name: 'environment-is-read-in-main',
      comment:
        'only main reads the environment: take a setting from Config. (Uses of the global process.env are found by scripts/check-layers.mjs.)',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/main/' },
      to: { path: '^(node:)?process$', dependencyTypes: ['core'] },
    },
    {
      name: 'fetch-client-runs-anywhere',
      comment:
        'the fetch client runs where there is no Node and no package: it imports core and its own transport only.',
      severity: 'error',
      from: { path: '^src/producers/(fetch-|touch-batch)' },
      to: { pathNot: '^src/(core/|producers/(fetch-|touch-batch))' },
    },
    {
      name: 'no-circular',
      comment: 'move what both files need into a third one.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      comment: 'the file or package does not exist, or is missing from package.json.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-dev-dependencies',
      comment: 'the built package does not bring devDependencies along: move it to dependencies.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
    },
  },
};
