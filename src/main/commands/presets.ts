/** `cmux-lifecycle presets import`: cmux's two snapshot manifests as our presets file. */
import { readFileSync, writeFileSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import { LifecycleError } from '../../core/lifecycle-error.ts';
import { loadConfig } from '../../platform/config.ts';
import type { Variables } from '../connection.ts';
import { importPresets, type Manifest, manifestSchema } from '../import-presets.ts';
import { readTemplateNames } from '../read-template-names.ts';
import { type AddCommand, outputOf } from './command.ts';
import { collectPairs } from './options.ts';

interface Options {
  readonly morph?: string;
  readonly pveLxc?: string;
  readonly templateName?: ReadonlyMap<number, string>;
  readonly join?: Readonly<Record<string, string>>;
  readonly out?: string;
}

export const addPresets: AddCommand = (program, context) => {
  const presets = program.command('presets').description('named sizes with what they start from');

  presets
    .command('import')
    .description('makes a presets file of cmux’s snapshot manifests, and says what it leaves out')
    .option('--morph <file>', 'packages/shared/src/morph-snapshots.json of cmux')
    .option('--pve-lxc <file>', 'packages/shared/src/pve-lxc-snapshots.json of cmux')
    .option('--template-name <vmid=name>', 'of a template; read from Proxmox with PVE_API_URL', collectNames)
    .option('--join <preset=other>', 'on morph, <preset> starts from the snapshot of <other>', collectPairs)
    .option('--out <file>', 'a file that does not exist yet; default: standard output')
    .action(async (options: Options, command: Command) => {
      if (options.morph === undefined && options.pveLxc === undefined) {
        throw invalid('there is no manifest to read', 'Give --morph, --pve-lxc or both.');
      }
      const output = outputOf(command, context);
      const templateNames = options.templateName ?? (await namesFromProxmox(context.environment));
      const { presets: made, leftOut } = importPresets({
        ...(options.morph === undefined ? {} : { morph: readManifest(options.morph) }),
        ...(options.pveLxc === undefined ? {} : { pveLxc: readManifest(options.pveLxc) }),
        templateNames,
        joined: options.join ?? {},
      });
      const text = JSON.stringify(made, null, 2);
      if (options.out === undefined) output.show(made, () => text);
      else write(options.out, `${text}\n`);
      for (const sentence of leftOut) output.note(`left out: ${sentence}`);
    });
};

function namesFromProxmox(environment: Variables): Promise<ReadonlyMap<number, string>> {
  const { PVE_API_URL: url } = environment;
  if (!url) return Promise.resolve(new Map());
  // The presets file is what is to be made, and the rest of the installation need not be there yet.
  const pve = Object.entries(environment).filter(([name]) => name.startsWith('PVE_'));
  const config = loadConfig({
    ...Object.fromEntries(pve),
    REDIS_URL: 'redis://127.0.0.1',
    DEPLOYMENT: 'import',
  });
  if (config.mode !== 'service' || config.pve === undefined) return Promise.resolve(new Map());
  return readTemplateNames(config.pve);
}

function readManifest(file: string): Manifest {
  try {
    return manifestSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw invalid(`${file} is no snapshot manifest of cmux: ${detail}`, 'Give the file as cmux keeps it.');
  }
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'wx' });
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw invalid(`${file} cannot be written: ${detail}`, 'Name a file that does not exist yet.');
  }
}

function collectNames(
  text: string,
  before: ReadonlyMap<number, string> = new Map(),
): ReadonlyMap<number, string> {
  const [, vmid, name] = /^(\d+)=([\w.-]+)$/.exec(text) ?? [];
  if (vmid === undefined || name === undefined) throw new InvalidArgumentError('Give VMID=name.');
  return new Map([...before, [Number(vmid), name]]);
}

function invalid(message: string, remediation: string): LifecycleError {
  return new LifecycleError({ code: 'invalid_request', message, remediation, retryable: false });
}
