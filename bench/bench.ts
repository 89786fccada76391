/**
 * `npm run bench -- <what> [--json]`: figures that the documents quote, measured on this machine against the
 * simulators at their default latencies. Ratios travel between machines; milliseconds do not.
 */
import { benchStart } from './start.ts';

const BENCHES: Readonly<Record<string, () => Promise<Readonly<Record<string, number>>>>> = {
  start: benchStart,
};

const [what = '', ...flags] = process.argv.slice(2);
const run = BENCHES[what];
if (run === undefined) {
  process.stderr.write(`unknown benchmark "${what}": one of ${Object.keys(BENCHES).join(', ')}\n`);
  process.exit(2);
}
const figures = await run();
if (flags.includes('--json')) process.stdout.write(`${JSON.stringify(figures)}\n`);
else
  for (const [name, value] of Object.entries(figures)) process.stdout.write(`${name.padEnd(28)} ${value}\n`);
