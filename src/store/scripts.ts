import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

export const SCRIPT_NAMES = [
  'transact',
  'claim',
  'renew',
  'read-together',
  'settle-webhook',
  'reserve-vmid',
  'take-permit',
  'release-permit',
  'reserve-memory',
  'record-activity',
  'fold-ledger',
  'count-in-window',
  'record-alert',
  'beat',
  'take-brake',
  'heal-sandbox',
  'heal-operation',
  'heal-guest',
  'tally-budgets',
] as const;

export type ScriptName = (typeof SCRIPT_NAMES)[number];

export interface Scripts {
  /** Runs a script by its digest, and sends its text only when Redis does not have it (after a flush). */
  run(name: ScriptName, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
}

/** A line by itself; what it names is put in its place, so that scripts can share a function. */
const INCLUDE = /^-- @include ([a-z-]+)$/gm;

/** The script as Redis is sent it. */
export function readScript(name: string): string {
  const text = readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8');
  return text.replace(INCLUDE, (_line, included: string) => readScript(included));
}

export function createScripts(redis: Redis): Scripts {
  const loaded = new Map<ScriptName, { readonly text: string; readonly digest: string }>();

  function load(name: ScriptName) {
    const known = loaded.get(name);
    if (known) return known;
    const text = readScript(name);
    const script = { text, digest: createHash('sha1').update(text).digest('hex') };
    loaded.set(name, script);
    return script;
  }

  return {
    async run(name, keys, args) {
      const { text, digest } = load(name);
      try {
        return await redis.evalsha(digest, keys.length, ...keys, ...args);
      } catch (error) {
        if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
        return redis.eval(text, keys.length, ...keys, ...args);
      }
    },
  };
}
