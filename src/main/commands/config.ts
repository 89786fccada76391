/** `cmux-lifecycle config …`: what the environment comes to, before anything is started. */
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { loadConfig, redacted, SERVE_ROLES, type ServeRole } from '../../platform/config.ts';
import { readReference, referenceAsMarkdown } from '../../platform/config-reference.ts';
import { columns } from '../describe-sandbox.ts';
import { warningsOf } from '../warnings.ts';
import { type AddCommand, outputOf } from './command.ts';

export const addConfig: AddCommand = (program, context) => {
  const config = program.command('config').description('the settings: what yours come to, and what there is');

  config
    .command('check')
    .description('reads the environment as serve would, starts nothing, and prints what it comes to')
    .addOption(new Option('--role <role>', 'as this role of serve would').choices(SERVE_ROLES).default('all'))
    .action(({ role }: { role: ServeRole }, command: Command) => {
      const output = outputOf(command, context);
      const config = loadConfig(context.environment, role);
      const warnings = warningsOf(config);
      const { warnings: _told, ...settings } = redacted(config) as Effective;
      output.show({ ...settings, warnings }, () => describe(settings));
      for (const warning of warnings) output.warn(warning);
    });

  config
    .command('reference')
    .description('every setting with its meaning, its default and what is refused, as Markdown')
    .action((_options, command: Command) => {
      const groups = readReference(readFileSync(EXAMPLE, 'utf8'));
      outputOf(command, context).show(groups, () => referenceAsMarkdown(groups));
    });
};

/** It lies beside `dist` and `src` alike. */
const EXAMPLE = new URL('../../../.env.example', import.meta.url);

interface Effective {
  readonly [setting: string]: unknown;
  readonly warnings: readonly string[];
}

/** One line a value: `timing.unknownHoldMs  10000`. */
function describe(settings: Readonly<Record<string, unknown>>): string {
  return columns(Object.entries(settings).flatMap(([name, value]) => linesOf(name, value)));
}

function linesOf(name: string, value: unknown): readonly (readonly [string, string])[] {
  if (Array.isArray(value)) {
    const isPlain = value.every((item) => typeof item !== 'object');
    if (isPlain) return [[name, value.join(', ')]];
    return value.map((item, at): readonly [string, string] => [`${name}[${at}]`, JSON.stringify(item)]);
  }
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) => linesOf(`${name}.${key}`, inner));
  }
  return [[name, String(value)]];
}
