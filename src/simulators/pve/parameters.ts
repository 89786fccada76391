import { badParameters } from './pve-failure.ts';

/** The part of Proxmox's JSON schema (pve-common JSONSchema.pm) that requests are checked against. */
export interface ParameterSpec {
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'array';
  readonly optional?: true;
  readonly format?: ParameterFormat;
  readonly min?: number;
  readonly max?: number;
  readonly maxLength?: number;
  readonly enum?: readonly string[];
  readonly pattern?: RegExp;
  readonly requires?: string;
  /** Refused for every token, `root@pam`'s included: only a ticket of root@pam may use it. */
  readonly rootOnly?: true;
}

export type ParameterTable = Readonly<Record<string, ParameterSpec>>;
export type RawValue = string | readonly string[] | number | boolean;
export type RawParameters = Readonly<Record<string, RawValue>>;
export type ParameterValue = string | number | boolean | readonly string[];

type ValueOf<S extends ParameterSpec> = {
  string: string;
  integer: number;
  number: number;
  boolean: boolean;
  array: readonly string[];
}[S['type']];

/** The checked parameters of a table. */
export type Parameters<T extends ParameterTable> = {
  readonly [K in keyof T]: T[K] extends { readonly optional: true }
    ? ValueOf<T[K]> | undefined
    : ValueOf<T[K]>;
};

type ParameterFormat =
  | 'pve-vmid'
  | 'pve-node'
  | 'dns-name'
  | 'pve-tag-list'
  | 'pve-storage-id'
  | 'pve-poolid'
  | 'pve-configid-list'
  | 'pve-task-status-type-list';

const LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';

/** Pattern and complaint; a list is split at the separators Proxmox takes. */
const FORMATS = {
  'pve-vmid': [/^[1-9][0-9]{2,8}$/, 'value does not look like a valid VM ID'],
  'pve-node': [new RegExp(`^${LABEL}$`), 'value does not look like a valid node name'],
  'dns-name': [new RegExp(`^${LABEL}(?:\\.${LABEL})*$`), 'value does not look like a valid DNS name'],
  'pve-tag-list': [/^[a-z0-9_][a-z0-9_\-+.]*$/i, 'invalid characters in tag'],
  'pve-storage-id': [/^[a-z][a-z0-9\-_.]*[a-z0-9]$/i, 'value does not look like a valid storage ID'],
  'pve-poolid': [/^[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+){0,2}$/, 'value does not look like a valid pool ID'],
  'pve-configid-list': [/^[a-z][a-z0-9_-]+$/i, 'value does not look like a valid configuration ID'],
  'pve-task-status-type-list': [/^(?:ok|error|warning|unknown)$/i, 'value is not a valid task status type'],
} as const satisfies Record<ParameterFormat, readonly [RegExp, string]>;

/** Checks every parameter and reports all problems at once, in Proxmox's words. */
export function checkParameters<T extends ParameterTable>(
  table: T,
  raw: RawParameters,
): Parameters<T> & Readonly<Record<string, ParameterValue | undefined>> {
  const errors: Record<string, string> = {};
  const values: Record<string, ParameterValue> = {};
  for (const [name, value] of Object.entries(raw)) {
    // ExtJS's cache buster is let through (HTTPServer.pm).
    if (name === '_dc') continue;
    const spec = findSpec(table, name);
    if (spec === undefined) {
      errors[name] = 'property is not defined in schema and the schema does not allow additional properties';
      continue;
    }
    const checked = checkValue(spec, value);
    if ('problem' in checked) errors[name] = checked.problem;
    else values[name] = checked.value;
    if (spec.requires !== undefined && raw[spec.requires] === undefined) {
      errors[spec.requires] = `missing property - '${name}' requires this property`;
    }
  }
  for (const [name, spec] of Object.entries(table)) {
    if (spec.optional === undefined && raw[name] === undefined && !name.endsWith('[n]')) {
      errors[name] = 'property is missing and it is not optional';
    }
  }
  if (Object.keys(errors).length > 0) throw badParameters(errors);
  refuseRootOnly(table, values);
  return values as Parameters<T> & Record<string, ParameterValue | undefined>;
}

/** `net0` is described by `net[n]`. */
export function findSpec(table: ParameterTable, name: string): ParameterSpec | undefined {
  if (Object.hasOwn(table, name)) return table[name];
  const numbered = name.replace(/\d+$/, '[n]');
  return numbered !== name && Object.hasOwn(table, numbered) ? table[numbered] : undefined;
}

type Checked = { readonly value: ParameterValue } | { readonly problem: string };

function checkValue(spec: ParameterSpec, raw: RawValue): Checked {
  if (spec.type === 'array') return { value: Array.isArray(raw) ? raw.map(String) : [String(raw)] };
  if (typeof raw === 'object') return { problem: `type check ('${spec.type}') failed - got ARRAY` };
  const text = typeof raw === 'boolean' ? String(Number(raw)) : String(raw);
  const typeProblem = { problem: `type check ('${spec.type}') failed - got '${text}'` };
  if (spec.type === 'boolean') return /^[01]$/.test(text) ? { value: text === '1' } : typeProblem;
  if (spec.type === 'integer' && !/^[+-]?\d+$/.test(text)) return typeProblem;
  if (spec.type === 'number' && !/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) return typeProblem;

  const problem = formatProblem(spec, text) ?? rangeProblem(spec, text);
  if (problem !== undefined) return { problem };
  return { value: spec.type === 'string' ? text : Number(text) };
}

/** Checked before the range, so VMID 99 is a format error (JSONSchema.pm check_prop). */
function formatProblem(spec: ParameterSpec, text: string): string | undefined {
  if (spec.format === undefined) return undefined;
  const [pattern, complaint] = FORMATS[spec.format];
  const items = spec.format.endsWith('-list') ? text.split(/[,; ]+/).filter(Boolean) : [text];
  return items.every((item) => pattern.test(item)) ? undefined : `invalid format - ${complaint}\n`;
}

function rangeProblem(spec: ParameterSpec, text: string): string | undefined {
  if (spec.enum !== undefined && !spec.enum.includes(text)) {
    return `value '${text}' does not have a value in the enumeration '${spec.enum.join(', ')}'`;
  }
  if (spec.pattern !== undefined && !spec.pattern.test(text)) {
    return 'value does not match the regex pattern';
  }
  if (spec.min !== undefined && Number(text) < spec.min)
    return `value must have a minimum value of ${spec.min}`;
  if (spec.max !== undefined && Number(text) > spec.max)
    return `value must have a maximum value of ${spec.max}`;
  if (spec.maxLength !== undefined && text.length > spec.maxLength) {
    return `value may only be ${spec.maxLength} characters long`;
  }
  return undefined;
}

function refuseRootOnly(table: ParameterTable, values: Readonly<Record<string, ParameterValue>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (findSpec(table, name)?.rootOnly !== undefined && value !== false) {
      throw badParameters({ [name]: 'Only root may use this option.' });
    }
  }
}
