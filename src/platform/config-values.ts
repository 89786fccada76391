import { z } from 'zod';
import { sentinelOptions } from './redis-address.ts';

/** Readers of single settings. Each turns text into a value, or says in one clause what is wrong with it. */

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

export const text = z.string();

export const list = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

export const flag = reader((value) => {
  if (/^(true|1|yes|on)$/i.test(value)) return { value: true };
  if (/^(false|0|no|off)$/i.test(value)) return { value: false };
  return { problem: `"${value}" is neither true nor false` };
});

export function wholeNumber(least: number, most: number) {
  return reader((value) => {
    const number = Number(value);
    if (/^\d+$/.test(value) && number >= least && number <= most) return { value: number };
    return { problem: `"${value}" is no whole number from ${least} to ${most}` };
  });
}

export function oneOf<const Choice extends string>(choices: readonly Choice[]) {
  return reader<Choice>((value) => {
    const found = choices.find((choice) => choice === value.toLowerCase());
    return found === undefined
      ? { problem: `"${value}" is none of ${choices.join(', ')}` }
      : { value: found };
  });
}

/** Credentials travel to it, so it has to be https, but for a simulator or tunnel on this machine. */
export const apiUrl = reader((value) => {
  const problem = problemWithUrl(value);
  return problem === undefined ? { value: value.replace(/\/+$/, '') } : { problem };
});

/** As `apiUrl`, without the path that the driver adds by itself. */
export const pveUrl = reader((value) => {
  const problem = problemWithUrl(value);
  if (problem !== undefined) return { problem };
  const path = new URL(value).pathname;
  return path === '/' ? { value: value.replace(/\/+$/, '') } : { problem: `the address ends with ${path}` };
});

/** As `apiUrl`, but to be called exactly as it is. */
export const callbackUrl = reader((value) => {
  const problem = problemWithUrl(value);
  return problem === undefined ? { value } : { problem };
});

function problemWithUrl(value: string): string | undefined {
  const url = parseUrl(value);
  if (url === undefined || !/^https?:$/.test(url.protocol)) return 'this is no https address';
  if (url.username !== '' || url.password !== '') return 'the address holds a user or a password';
  if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname)) {
    return `http would send credentials in clear text to ${url.hostname}`;
  }
  return undefined;
}

export const redisUrl = reader((value) =>
  /^rediss?:$/.test(parseUrl(value)?.protocol ?? '') || sentinelOptions(value)
    ? { value }
    : { problem: 'this is no redis://, rediss:// or redis+sentinel:// address' },
);

export function matching(pattern: RegExp, problem: string) {
  return reader((value) => (pattern.test(value) ? { value } : { problem }));
}

/** A name of the IANA time zone database, as this machine knows it. */
export const timeZone = reader((value) => {
  try {
    return { value: new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone };
  } catch {
    return { problem: `"${value}" is no time zone` };
  }
});

/** `10` or `10%`: a share of a hundred. */
export const percentage = reader((value) => {
  const number = Number(/^(\d{1,2}(?:\.\d+)?)\s*%?$/.exec(value)?.[1] ?? Number.NaN);
  return Number.isNaN(number)
    ? { problem: `"${value}" is no share from 0% to below 100%` }
    : { value: number };
});

/** `name=value;name=value`, each name once. */
export function namedTexts(names: RegExp) {
  return reader((value) => {
    const pairs = new Map<string, string>();
    for (const item of value.split(';').filter((text) => text.trim() !== '')) {
      const [, name = '', text = ''] = /^\s*([\w-]+)=(.+?)\s*$/s.exec(item) ?? [];
      if (name === '') return { problem: `"${item.trim()}" is no name=value` };
      if (!names.test(name)) return { problem: `${name} is no setting that can be given here` };
      if (pairs.has(name)) return { problem: `${name} is named twice` };
      pairs.set(name, text);
    }
    return { value: Object.fromEntries(pairs) as Readonly<Record<string, string>> };
  });
}

/** `first-last`, both included. */
export function numberRange(least: number, most: number) {
  return reader((value) => {
    const [, from, to] = /^(\d+)\s*-\s*(\d+)$/.exec(value) ?? [];
    const [first, last] = [Number(from), Number(to)];
    if (first >= least && last <= most && first <= last) return { value: { first, last } };
    return { problem: `"${value}" is no range first-last within ${least}-${most}` };
  });
}

/** `name:number,name:number`, each name once. */
export function namedNumbers(least: number, most: number) {
  return reader((value) => {
    const pairs: { name: string; number: number }[] = [];
    for (const item of value.split(',')) {
      const [, name = '', digits] = /^\s*([a-z][a-z0-9-]*)\s*:\s*(\d+)\s*$/i.exec(item) ?? [];
      const number = Number(digits);
      if (name === '' || number < least || number > most) {
        return { problem: `"${item.trim()}" is no name:number with a number from ${least} to ${most}` };
      }
      if (pairs.some((pair) => pair.name === name)) return { problem: `${name} is named twice` };
      pairs.push({ name, number });
    }
    return { value: pairs };
  });
}

type Reading<Value> = { readonly value: Value } | { readonly problem: string };

function reader<Value>(read: (value: string) => Reading<Value>) {
  return z.string().transform((value, context): Value => {
    const reading = read(value);
    if ('value' in reading) return reading.value;
    context.addIssue({ code: 'custom', message: reading.problem });
    return z.NEVER;
  });
}

function parseUrl(value: string): URL | undefined {
  return URL.canParse(value) ? new URL(value) : undefined;
}
