/**
 * Runs the built fetch client where there is no Node: in a context of its own that has the web platform's
 * globals it says it needs, and nothing else. Whatever it imports has to be a file of the package.
 *
 * node --experimental-vm-modules in-vm.mjs <client.js> <base URL> <preset>
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import vm from 'node:vm';

const [client, baseUrl, preset] = process.argv.slice(2);
const context = vm.createContext({ fetch, AbortController, setTimeout, clearTimeout, crypto, report: {} });
const modules = new Map();

function load(path) {
  const known = modules.get(path);
  if (known) return known;
  const module = new vm.SourceTextModule(readFileSync(path, 'utf8'), { context, identifier: path });
  modules.set(path, module);
  return module;
}

function link(specifier, from) {
  if (!specifier.startsWith('.')) throw new Error(`${from.identifier} imports ${specifier}`);
  return load(resolve(dirname(from.identifier), specifier));
}

const use = `
  import { createFetchClient, isLifecycleError } from ${JSON.stringify(`./${client.split('/').at(-1)}`)};
  const client = createFetchClient({ baseUrl: ${JSON.stringify(baseUrl)} });
  const { id, state } = await client.start({ preset: ${JSON.stringify(preset)} });
  const missing = await client.get('sbx-none').catch((error) => error);
  await client.destroy(id);
  Object.assign(report, {
    state,
    code: isLifecycleError(missing) && missing.code,
    process: typeof process,
    after: (await client.get(id)).state,
  });
`;
const main = new vm.SourceTextModule(use, { context, identifier: resolve(dirname(client), 'use.js') });
await main.link(link);
await main.evaluate();
process.stdout.write(JSON.stringify(context.report));
