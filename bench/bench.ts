/**
 * `npm run bench [-- <what>] [--json]`: figures that the documents quote, measured on this machine; without a
 * name, all of them. Ratios travel between machines; milliseconds do not.
 */
import { benchCosts } from './costs.ts';
import { benchOverhead, type Figures } from './overhead.ts';
import { benchStart } from './start.ts';
import { benchSweep } from './sweep.ts';
import { benchTimeline } from './timeline.ts';

const BENCHES: Readonly<Record<string, () => Promise<Figures>>> = {
  overhead: benchOverhead,
  costs: benchCosts,
  start: benchStart,
  sweep: benchSweep,
  timeline: benchTimeline,
};

const flags = process.argv.slice(2).filter((argument) => argument.startsWith('--'));
const [what = 'all'] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const chosen = what === 'all' ? Object.values(BENCHES) : [BENCHES[what]];
let figures: Figures = {};
for (const run of chosen) {
  if (run === undefined) {
    process.stderr.write(`unknown benchmark "${what}": one of ${Object.keys(BENCHES).join(', ')}\n`);
    process.exit(2);
  }
  figures = { ...figures, ...(await run()) };
}
if (flags.includes('--json')) process.stdout.write(`${JSON.stringify(figures)}\n`);
else
  for (const [name, value] of Object.entries(figures)) process.stdout.write(`${name.padEnd(36)} ${value}\n`);
