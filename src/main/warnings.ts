/** What is allowed but should be known before anything is started or looked at, in sentences. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../platform/config.ts';

/** @param folder where the command was given */
export function warningsOf({ mode, warnings }: Config, folder: string = process.cwd()): readonly string[] {
  if (mode !== 'local' || !existsSync(join(folder, '.env'))) return warnings;
  // Whoever wrote one and did not load it would take simulated machines for their own.
  return [
    ...warnings,
    'This is local mode, with simulated providers: neither credentials nor REDIS_URL are set. ' +
      'The .env in this folder is not read by itself; load it with: set -a; . ./.env; set +a',
  ];
}

/** For commands that look at providers themselves: in local mode there is nothing else to look at. */
export const OWN_SIMULATORS =
  'No provider is set: this command looks at simulators of its own, begun anew, not at those of a server that runs.';
