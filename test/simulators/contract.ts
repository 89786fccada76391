/**
 * Readers of the contract files: Proxmox's own API schema (two versions) and Morph's, as JSON schema. Kept to what the
 * simulators need.
 */
import { existsSync, readFileSync } from 'node:fs';

export const CONTRACTS = new URL('../../../shared/contracts/', import.meta.url);
export const hasContracts = existsSync(CONTRACTS);

export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean | number;
  /** Proxmox: absent means required. */
  readonly optional?: boolean | number;
  readonly format?: unknown;
  readonly requires?: string;
  readonly min?: number;
  readonly max?: number;
  readonly maxLength?: number;
}

export interface PveMethod {
  readonly sameAs?: string;
  readonly parameters: Readonly<Record<string, Schema>>;
  readonly returns: Schema;
}

export interface PveContract {
  readonly method: (path: string, verb: string) => PveMethod | undefined;
  readonly resolve: (schema: Schema) => Schema;
}

interface PveFile {
  readonly versions: Readonly<
    Record<string, { readonly paths: Readonly<Record<string, Readonly<Record<string, PveMethod>>>> }>
  >;
  readonly defs: Readonly<Record<string, Schema>>;
}

export function readPveContract(version: string): PveContract {
  const file = JSON.parse(readFileSync(new URL('pve-api.json', CONTRACTS), 'utf8')) as PveFile;
  const method = (path: string, verb: string, of: string): PveMethod | undefined => {
    const found = file.versions[of]?.paths[path]?.[verb];
    return found?.sameAs === undefined ? found : method(path, verb, found.sameAs);
  };
  return {
    method: (path, verb) => method(path, verb, version),
    resolve: (schema) => (schema.$ref === undefined ? schema : (file.defs[schema.$ref] ?? schema)),
  };
}

interface MorphOperation {
  readonly query: Schema | null;
  readonly body: Schema | null;
  readonly responses: Readonly<Record<string, { readonly schema: Schema | null }>>;
}

interface MorphFile {
  readonly paths: Readonly<Record<string, Readonly<Record<string, MorphOperation>>>>;
  readonly $defs: Readonly<Record<string, Schema>>;
}

export function readMorphContract() {
  const file = JSON.parse(readFileSync(new URL('morph-api.json', CONTRACTS), 'utf8')) as MorphFile;
  const resolve = (schema: Schema): Schema =>
    schema.$ref === undefined ? schema : (file.$defs[schema.$ref.replace('#/$defs/', '')] ?? schema);
  return { resolve, operation: (path: string, verb: string) => file.paths[path]?.[verb] };
}

/** Problems of a value against Proxmox's dialect: integers may be numbers, booleans are 0 or 1, more keys are fine. */
export function pveProblems(
  contract: PveContract,
  given: Schema,
  value: unknown,
  at = '$',
): readonly string[] {
  const schema = contract.resolve(given);
  if (schema.enum !== undefined && !schema.enum.includes(value))
    return [`${at}: ${String(value)} is not in its enum`];
  switch (schema.type) {
    case 'null':
      return value === null ? [] : [`${at}: not null`];
    case 'string':
      return typeof value === 'string' ? [] : [`${at}: no string`];
    case 'integer':
      return Number.isInteger(value) ? [] : [`${at}: no integer`];
    case 'number':
      return typeof value === 'number' ? [] : [`${at}: no number`];
    case 'boolean':
      return value === 0 || value === 1 ? [] : [`${at}: not 0 or 1`];
    case 'array': {
      if (!Array.isArray(value)) return [`${at}: no array`];
      return value.flatMap((item, index) =>
        pveProblems(contract, schema.items ?? {}, item, `${at}[${index}]`),
      );
    }
    case 'object': {
      if (typeof value !== 'object' || value === null) return [`${at}: no object`];
      return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
        const item = (value as Record<string, unknown>)[name];
        if (item !== undefined) return pveProblems(contract, property, item, `${at}.${name}`);
        return contract.resolve(property).optional ? [] : [`${at}.${name}: missing`];
      });
    }
    default:
      return [];
  }
}

/** Problems of a value against JSON schema; unlike it, a key the schema does not know is a problem too. */
export function jsonProblems(
  resolve: (s: Schema) => Schema,
  given: Schema,
  value: unknown,
  at = '$',
): readonly string[] {
  const schema = resolve(given);
  if (schema.anyOf !== undefined) {
    const tries = schema.anyOf.map((option) => jsonProblems(resolve, option, value, at));
    return tries.some((problems) => problems.length === 0) ? [] : (tries[0] ?? []);
  }
  if ('const' in schema && value !== schema.const) return [`${at}: not ${String(schema.const)}`];
  if (schema.enum !== undefined && !schema.enum.includes(value))
    return [`${at}: ${String(value)} is not in its enum`];
  const types = schema.type === undefined ? [] : [schema.type].flat();
  if (types.length > 0 && !types.includes(jsonType(value)))
    return [`${at}: is ${jsonType(value)}, not ${types}`];
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => jsonProblems(resolve, schema.items ?? {}, item, `${at}[${index}]`));
  }
  if (typeof value !== 'object' || value === null) return [];
  const missing = (schema.required ?? [])
    .filter((name) => !(name in value))
    .map((name) => `${at}.${name}: missing`);
  const inside = Object.entries(value).flatMap(([name, item]) => {
    const property = schema.properties?.[name] ?? schema.additionalProperties;
    if (typeof property !== 'object') return [`${at}.${name}: not in the contract`];
    return jsonProblems(resolve, property, item, `${at}.${name}`);
  });
  return [...missing, ...inside];
}

function jsonType(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
