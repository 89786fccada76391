/** What commands print: results on standard output as a table or as JSON, everything else on stderr. */
import Table from 'cli-table3';
import type { CommanderError } from 'commander';
import { isLifecycleError, type LifecycleError } from '../core/lifecycle-error.ts';
import { isConfigError } from '../platform/config-error.ts';
import type { Terminal } from './terminal.ts';

/** Markdown is for reports; other commands print their table then. */
export const FORMATS = ['table', 'json', 'markdown'] as const;
export type Format = (typeof FORMATS)[number];

/** The width of what no terminal shows: no line is folded and no column left out. */
export const ENDLESS = Number.POSITIVE_INFINITY;

export interface Output {
  readonly format: Format;
  /** A result: the value itself as JSON, or the text for people, made only when it is needed, for a width in characters. */
  show(value: unknown, asText: (width: number) => string): void;
  /** One of many results that come over time: a line of JSON each. */
  showLine(value: unknown, asText: () => string): void;
  /** What is known of a result so far, for people who watch; as JSON the result is `showWhole`'s, and this progress. */
  showPart(text: string): void;
  /** The result whose parts were shown: as JSON alone. */
  showWhole(value: unknown): void;
  /** For the person at the terminal; never part of the result. */
  note(line: string): void;
  /** As `note`, for what should be known. */
  warn(sentence: string): void;
}

export function createOutput(
  format: Format,
  { out, err, width = ENDLESS }: Pick<Terminal, 'out' | 'err' | 'width'>,
): Output {
  const json = format === 'json';
  return {
    format,
    show: (value, asText) => out(`${json ? JSON.stringify(value, null, 2) : asText(width)}\n`),
    showLine: (value, asText) => out(`${json ? JSON.stringify(value) : asText()}\n`),
    showPart: (text) => (json ? err : out)(`${text}\n`),
    showWhole: (value) => {
      if (json) out(`${JSON.stringify(value, null, 2)}\n`);
    },
    note: (line) => err(`${line}\n`),
    warn: (sentence) => err(`warning: ${sentence}\n`),
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

/** What is wrong with the words of a command. */
export function describeUsage({ message }: CommanderError, format: Format): string {
  if (format !== 'json') return `${message}\n(--help shows what can be given)`;
  const remediation = 'See what the command takes with --help.';
  const sentence = message.replace(/^error: /, '');
  return asJson({ code: 'invalid_request', message: sentence, retryable: false, remediation });
}

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
