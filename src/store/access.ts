/**
 * Who may come in: tokens, browser sessions, one-time login codes and the counters of the rate limits. Secrets
 * never come here, only their digests, which callers make (`producers/access/secrets.ts`).
 */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { ROLES, type Role } from '../core/principal.ts';
import type { Keys } from './keys.ts';
import type { Scripts } from './scripts.ts';
import type { BeginTransaction } from './transaction.ts';

export interface AccessToken {
  readonly name: string;
  readonly role: Role;
  readonly teamId?: string;
  readonly createdAtMs: number;
  /** The name of the token that made it; `cli` for the command line. */
  readonly createdBy: string;
}

export interface AccessStore {
  /** False when the name is taken. */
  createToken(digest: string, token: AccessToken): Promise<boolean>;
  /** Writes a first token with a login code for it. True for one caller, once in the life of a deployment. */
  createFirstToken(digest: string, token: AccessToken, code: LoginCode): Promise<boolean>;
  tokenByDigest(digest: string): Promise<AccessToken | undefined>;
  /** By name. */
  listTokens(): Promise<readonly AccessToken[]>;
  hasTokens(): Promise<boolean>;
  /** Ends its sessions too, since they are looked up through it. False when there is none of that name. */
  revokeToken(name: string): Promise<boolean>;

  createSession(digest: string, tokenDigest: string, lifetimeMs: number): Promise<void>;
  /** The digest of the token that the session was opened with; `undefined` once it has ended. */
  sessionToken(digest: string): Promise<string | undefined>;
  endSession(digest: string): Promise<void>;
  /** Gives the digest of the code's token, once. */
  takeLoginCode(digest: string): Promise<string | undefined>;

  /** Counts one and says how many there were in this window, and when it ends. */
  countInWindow(
    what: string,
    windowMs: number,
  ): Promise<{ readonly count: number; readonly endsInMs: number }>;
}

export interface LoginCode {
  readonly digest: string;
  readonly lifetimeMs: number;
}

interface Deps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly scripts: Scripts;
  readonly begin: BeginTransaction;
}

const tokenSchema = z.object({
  name: z.string(),
  role: z.enum(ROLES),
  teamId: z.string().exactOptional(),
  createdAtMs: z.number(),
  createdBy: z.string(),
});
const countSchema = z.tuple([z.number(), z.number()]);

export function createAccessStore({ redis, keys, scripts, begin }: Deps): AccessStore {
  const { tokens, names, firstStart, session, code, count } = keys.access;
  const parse = (text: string) => tokenSchema.parse(JSON.parse(text));
  const writeToken = (digest: string, token: AccessToken) =>
    begin()
      .guardField(names, token.name, '')
      .setFields(names, { [token.name]: digest })
      .setFields(tokens, { [digest]: JSON.stringify(token) });

  return {
    async createToken(digest, token) {
      return (await writeToken(digest, token).commit()).ok;
    },

    async createFirstToken(digest, token, loginCode) {
      const transaction = writeToken(digest, token)
        .guardAbsent(firstStart)
        .guardAbsent(tokens)
        .command('SET', firstStart, token.createdAtMs)
        .command('SET', code(loginCode.digest), digest, 'PX', loginCode.lifetimeMs);
      return (await transaction.commit()).ok;
    },

    async tokenByDigest(digest) {
      const text = await redis.hget(tokens, digest);
      return text === null ? undefined : parse(text);
    },

    async listTokens() {
      const all = (await redis.hvals(tokens)).map(parse);
      return all.sort((a, b) => a.name.localeCompare(b.name));
    },

    hasTokens: async () => (await redis.hlen(tokens)) > 0,

    async revokeToken(name) {
      const digest = await redis.hget(names, name);
      if (digest === null) return false;
      const transaction = begin()
        .guardField(names, name, digest)
        .setFields(names, { [name]: null })
        .setFields(tokens, { [digest]: null });
      return (await transaction.commit()).ok;
    },

    async createSession(digest, tokenDigest, lifetimeMs) {
      await redis.set(session(digest), tokenDigest, 'PX', lifetimeMs);
    },

    sessionToken: async (digest) => (await redis.get(session(digest))) ?? undefined,

    async endSession(digest) {
      await redis.del(session(digest));
    },

    takeLoginCode: async (digest) => (await redis.getdel(code(digest))) ?? undefined,

    async countInWindow(what, windowMs) {
      const reply = await scripts.run('count-in-window', [count(what)], [windowMs]);
      const [counted, endsInMs] = countSchema.parse(reply);
      return { count: counted, endsInMs };
    },
  };
}
