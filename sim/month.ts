/**
 * `npm run sim:month -- [--seed N] [--users N] [--json]`: a month of a generated team under cmux's rule of today on
 * Morph, under this system's idle suspension on Morph, and on Proxmox with Morph as fallback. Routing, idleness,
 * placement, ledger and prices are the real code; people, agents and nodes are simulated.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { runMonth } from './month/run-month.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    users: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
  },
});
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
const users = Number(values.users);
if (!Number.isInteger(seed) || !Number.isInteger(users) || users < 1 || users > 100) {
  process.stderr.write('--seed and --users take whole numbers, at most 100 users\n');
  process.exit(2);
}

const figures = runMonth(seed, users);
if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
else {
  const { scenarios, sensitivity, ledgerErrorPercent, claim } = figures;
  process.stdout.write(`seed ${seed}: ${figures.sessions} sandboxes of ${users} users in November 2026\n\n`);
  for (const { name, costUsd, savingPercent, sandboxHours, interruptions } of scenarios) {
    process.stdout.write(
      `${name.padEnd(20)} $${costUsd.toFixed(2).padStart(8)}  saves ${String(savingPercent).padStart(5)} %  ` +
        `${sandboxHours} h running, ${interruptions} interruptions\n`,
    );
  }
  process.stdout.write(`\nledger against the meter: ${ledgerErrorPercent} % off at most\n`);
  const { lowerUsd, upperUsd, simulatedUsd, holds } = figures.inferredOldRule;
  process.stdout.write(
    `the old rule by the ledger of morph-idle: $${lowerUsd} to $${upperUsd}, simulated $${simulatedUsd}: ${holds ? 'within' : 'outside'}\n`,
  );
  for (const { what, savingPercent } of sensitivity)
    process.stdout.write(`if ${what}: saves ${savingPercent} %\n`);
  process.stdout.write(`70-90 % less for sandboxes: ${claim.shown ? 'shown' : 'not shown'} in this month\n`);
}
