/**
 * `npm run sim:idle -- [--seed N] [--sessions N] [--json]`: labelled sessions under the real decision with the
 * default policy, and under cmux's rule of today. A given seed gives the same figures again.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { runIdleSimulation } from './run-idle-simulation.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    sessions: { type: 'string', default: '1200' },
    json: { type: 'boolean', default: false },
  },
});
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
const count = Number(values.sessions);
if (!Number.isInteger(seed) || !Number.isInteger(count) || count < 1 || count > 100_000) {
  process.stderr.write('--seed and --sessions take whole numbers, at most 100,000 sessions\n');
  process.exit(2);
}

const figures = runIdleSimulation(seed, count);
if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
else
  for (const [name, value] of Object.entries(figures)) process.stdout.write(`${name.padEnd(28)} ${value}\n`);
