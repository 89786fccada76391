/**
 * `npm run chaos -- --seed N --minutes M [--json]`: random operations on real Redis and simulated providers
 * while workers are killed and frozen, Redis is restarted and providers fail. Progress goes to stderr, the
 * result to stdout. The exit status is 1 when anything was lost, made twice, leaked or left unsettled, when the
 * ledger is wrong by more than delays of detection explain, or when one of these delays is too long.
 */
import { parseArgs } from 'node:util';
import { runChaos } from './run-chaos.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    minutes: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed);
const minutes = Number(values.minutes);
if (!Number.isInteger(seed) || !(minutes > 0 && minutes <= 24 * 60)) {
  process.stderr.write('usage: npm run chaos -- --seed <whole number> --minutes <up to 1440> [--json]\n');
  process.exit(2);
}
const tell = (line: string) => void process.stderr.write(`${line}\n`);
tell(`seed ${seed}, ${minutes} min`);
const { findings, ...figures } = await runChaos({ seed, durationMs: minutes * 60_000, tell });
for (const [what, found] of Object.entries(findings)) {
  for (const { id, why } of found) tell(`${what}: ${id}: ${why}`);
}
if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
else
  for (const [name, value] of Object.entries(figures)) process.stdout.write(`${name.padEnd(18)} ${value}\n`);
const { lost, duplicates, leaked, unsettled } = figures;
const isLedgerRight =
  figures.ledgerErrorMicroUsd <= figures.ledgerBoundMicroUsd && figures.ledgerDelays === 0;
process.exitCode = lost + duplicates + leaked + unsettled === 0 && isLedgerRight ? 0 : 1;
