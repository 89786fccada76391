/** Sandboxes and operations as people at a terminal read them. */
import type { OperationView, SandboxView } from '../core/views.ts';
import { fittingTable, fold } from './fit.ts';
import { ENDLESS } from './output.ts';

const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;
const DAY_S = 24 * HOUR_S;

export function describeSandboxes(sandboxes: readonly SandboxView[], nowMs: number, width = ENDLESS): string {
  if (sandboxes.length === 0) return 'No sandboxes.';
  return fittingTable(
    ['sandbox', 'state', 'provider', 'provider id', 'preset', 'team', 'task run', 'age', ''],
    sandboxes.map((sandbox) => [
      sandbox.id,
      sandbox.state,
      sandbox.provider ?? '',
      sandbox.providerId ?? '',
      sandbox.preset ?? '',
      sandbox.teamId ?? '',
      sandbox.taskRunId ?? '',
      formatAge(nowMs - sandbox.createdAtMs),
      remarksOn(sandbox).join('; '),
    ]),
    // `show` has them.
    { width, dispensable: ['preset', 'provider id', 'task run', 'team', 'age'] },
  );
}

/** Every field that is there, one a line. */
export function describeSandbox(sandbox: SandboxView, width = ENDLESS): string {
  const { endpoints, metadata, ...fields } = sandbox;
  const rows = [
    ...Object.entries(fields).map(([name, value]): [string, string] => [name, formatField(name, value)]),
    ...Object.entries(endpoints).map(([name, url]): [string, string] => [`endpoint ${name}`, url]),
    ...Object.entries(metadata).map(([name, value]): [string, string] => [`metadata ${name}`, value]),
  ];
  return columns(
    rows.filter(([, value]) => value !== ''),
    width,
  );
}

export function describeOperation(operation: OperationView, width = ENDLESS): string {
  const { attempts, leftOut, failure, ...fields } = operation;
  const rows = [
    ...Object.entries(fields).map(([name, value]): [string, string] => [name, formatField(name, value)]),
    ...leftOut.map(({ provider, reason }): [string, string] => [`left out ${provider}`, reason]),
    ...attempts.map((attempt): [string, string] => [
      `attempt ${attempt.number}`,
      `${attempt.outcome} on ${attempt.provider}${attempt.failure ? `: ${attempt.failure.message}` : ''}`,
    ]),
    ...(failure ? [['failure', `${failure.code}: ${failure.message}`] as [string, string]] : []),
  ];
  return columns(rows, width);
}

/** The left column as wide as its longest entry; the right one is folded. */
export function columns(rows: readonly (readonly [string, string])[], width = ENDLESS): string {
  const left = Math.max(0, ...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, value]) => fold(name.padEnd(left) + value, width, left)).join('\n');
}

/** Two units at most: `3 d 4 h`, `12 min`, `40 s`. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const [days, hours] = [Math.floor(seconds / DAY_S), Math.floor((seconds % DAY_S) / HOUR_S)];
  const minutes = Math.floor((seconds % HOUR_S) / MINUTE_S);
  if (days > 0) return hours > 0 ? `${days} d ${hours} h` : `${days} d`;
  if (hours > 0) return minutes > 0 ? `${hours} h ${minutes} min` : `${hours} h`;
  return minutes > 0 ? `${minutes} min` : `${seconds} s`;
}

function remarksOn({ fellBackFrom, preservesRam, simulated, state }: SandboxView): readonly string[] {
  return [
    ...(fellBackFrom.length > 0 ? [`fell back from ${fellBackFrom.join(', ')}`] : []),
    ...(state === 'paused' && preservesRam === false ? ['no memory kept'] : []),
    ...(simulated ? ['simulated'] : []),
  ];
}

function formatField(name: string, value: unknown): string {
  if (name.endsWith('AtMs') && typeof value === 'number') return new Date(value).toISOString();
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}
