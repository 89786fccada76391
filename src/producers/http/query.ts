import { z } from 'zod';

type Grouped = Record<string, string | Record<string, string>>;

/** `metadata[app]=cmux` */
const NESTED = /^([A-Za-z]+)\[([^\]]{1,200})\]$/;

/** Query parameters as one object; `a[b]=c` becomes `{ a: { b: 'c' } }`. */
export function groupQuery(queries: Record<string, string[]>, problems: string[]): Grouped {
  const grouped: Grouped = Object.create(null) as Grouped;
  for (const [name, values] of Object.entries(queries)) {
    const [value = ''] = values;
    if (values.length > 1) problems.push(`${name}: it is given ${values.length} times`);
    const [, outer, inner] = NESTED.exec(name) ?? [];
    if (outer === undefined || inner === undefined) {
      grouped[name] = value;
      continue;
    }
    const nested = grouped[outer];
    grouped[outer] = { ...(typeof nested === 'object' ? nested : {}), [inner]: value };
  }
  return { ...grouped };
}

/** Several values separated by commas. */
export function commaList<T extends readonly [string, ...string[]]>(values: T) {
  return z
    .string()
    .max(500)
    .transform((list) => list.split(',').map((value) => value.trim()))
    .pipe(z.array(z.enum(values)).min(1))
    .meta({
      description: `One or several of ${values.join(', ')}, separated by commas.`,
      example: values[0],
    });
}

export function wholeNumber({
  min,
  max,
  initial,
}: {
  readonly min: number;
  readonly max: number;
  readonly initial: number;
}) {
  return z
    .string()
    .regex(/^\d{1,9}$/, 'give a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .default(initial)
    .meta({ type: 'integer', minimum: min, maximum: max, default: initial });
}

/** Longest wait of one request: below the 100 s at which tunnels cut. */
export const MAX_WAIT_S = 90;

export const wait = z
  .string()
  .regex(/^\d{1,3}(\.\d{1,3})?$/, 'give seconds')
  .transform(Number)
  .pipe(z.number().min(0).max(MAX_WAIT_S))
  .default(0)
  .meta({
    type: 'number',
    minimum: 0,
    maximum: MAX_WAIT_S,
    default: 0,
    description: 'How many seconds to wait for the operation to settle.',
  });
