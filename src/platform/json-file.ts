import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import type { Problems } from './config-problems.ts';
import type { Setting } from './config-schema.ts';

export interface JsonFile<T> {
  readonly data: T;
  /** As it stands in the file, before defaults. */
  readonly content: unknown;
}

/**
 * Reads the file that a setting names; `undefined` when it cannot be used. What is wrong is reported with its place
 * in the file, everything at once.
 */
export function readJsonFile<Schema extends z.ZodType>(
  { setting, path, schema }: { readonly setting: Setting; readonly path: string; readonly schema: Schema },
  problems: Problems,
): JsonFile<z.output<Schema>> | undefined {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const readable = error instanceof SyntaxError ? 'is no JSON' : 'cannot be read';
    problems.add(setting, `${path} ${readable}: ${(error as Error).message}`);
    return undefined;
  }
  const parsed = schema.safeParse(content, { error: describeIssue });
  if (parsed.success) return { data: parsed.data, content };
  for (const { path: place, message } of parsed.error.issues) {
    problems.addOther({
      setting: placeIn(setting, place),
      problem: message,
      remedy: `correct it in ${path}`,
    });
  }
  return undefined;
}

/** `SANDBOX_PRESETS_FILE › small › vcpus` */
export function placeIn(setting: Setting, place: readonly PropertyKey[]): string {
  return [setting, ...place.map(String)].join(' › ');
}

const KINDS: Readonly<Record<string, string>> = {
  object: 'an object',
  record: 'an object',
  array: 'a list',
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

/** In words for whoever wrote the file; a schema's own message goes before, and zod's stays for the rest. */
function describeIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'it is missing';
      return `it must be ${KINDS[issue.expected] ?? issue.expected}`;
    case 'too_small':
      if (issue.origin === 'number' || issue.origin === 'int') return `it must be at least ${issue.minimum}`;
      return issue.minimum === 1 ? 'it must not be empty' : undefined;
    case 'too_big':
      if (issue.origin === 'number' || issue.origin === 'int') return `it must be at most ${issue.maximum}`;
      return undefined;
    case 'invalid_value':
      return `it must be ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`;
    case 'unrecognized_keys':
      return `there is no field named ${issue.keys.join(', ')}`;
    case 'invalid_key':
      return `it must be ${issue.issues.map(({ message }) => message.replace(/^it must be /, '')).join('; ')}`;
    default:
      return undefined;
  }
}
