/** What commands print: results on standard output as a table or as JSON, everything else on stderr. */
import Table from 'cli-table3';
import { isLifecycleError, type LifecycleError } from '../core/lifecycle-error.ts';
import { isConfigError } from '../platform/config-error.ts';
import type { Terminal } from './terminal.ts';

/** Markdown is for reports; other commands print their table then. */
export const FORMATS = ['table', 'json', 'markdown'] as const;
export type Format = (typeof FORMATS)[number];

export interface Output {
  readonly format: Format;
  /** A result: the value itself as JSON, or the text for people, made only when it is needed. */
  show(value: unknown, asText: () => string): void;
  /** One of many results that come over time: a line of JSON each. */
  showLine(value: unknown, asText: () => string): void;
  /** For the person at the terminal; never part of the result. */
  note(line: string): void;
}

export function createOutput(format: Format, { out, err }: Pick<Terminal, 'out' | 'err'>): Output {
  const json = format === 'json';
  return {
    format,
    show: (value, asText) => out(`${json ? JSON.stringify(value, null, 2) : asText()}\n`),
    showLine: (value, asText) => out(`${json ? JSON.stringify(value) : asText()}\n`),
    note: (line) => err(`${line}\n`),
  };
}

/** Columns without frames, so that lines can be cut and searched. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const frameless = new Table({
    head: [...head],
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    chars: NO_FRAME,
  });
  frameless.push(...rows.map((row) => [...row]));
  return frameless
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

const NO_FRAME = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid', 'middle'].flatMap((side) => [
    [side, ''],
    [`${side}-mid`, ''],
    [`${side}-left`, ''],
    [`${side}-right`, ''],
    [`left-${side}`, ''],
    [`right-${side}`, ''],
  ]),
);

/** One error, with what to do about it. */
export function describeError(error: unknown, format: Format): string {
  if (isConfigError(error)) {
    const { code, message, problems } = error;
    return format === 'json' ? asJson({ code, message, problems }) : message;
  }
  if (isLifecycleError(error)) {
    const { code, message, retryable, operationId, sandboxId, remediation } = error;
    if (format === 'json') return asJson({ code, message, retryable, operationId, sandboxId, remediation });
    return [`${code}: ${message}`, ...remediesFor(error)].join('\n');
  }
  // A defect of ours: its stack is what a report needs.
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return format === 'json' ? asJson({ code: 'internal_error', message: text, retryable: false }) : text;
}

function remediesFor({ code, operationId, remediation }: LifecycleError): readonly string[] {
  if (operationId === undefined) return remediation === undefined ? [] : [remediation];
  if (code === 'wait_timed_out') return [`Wait on with: cmux-lifecycle wait ${operationId}`];
  const attempts = `What was tried: cmux-lifecycle show ${operationId}`;
  return remediation === undefined ? [attempts] : [remediation, attempts];
}

function asJson(error: object): string {
  return JSON.stringify({ error }, null, 2);
}
