/** Handing out and taking back tokens: what the API and the command line share. */
import { z } from 'zod';
import { LifecycleError } from '../../core/lifecycle-error.ts';
import { ROLES } from '../../core/principal.ts';
import type { AccessStore, AccessToken } from '../../store/access.ts';
import { parse } from '../requests.ts';
import { createSecret, createTokenSecret, digestOf } from './secrets.ts';

/** Names that the audit log uses for those who come without a token. */
const RESERVED_NAMES: ReadonlySet<string> = new Set(['local', 'cli']);
const FIRST_TOKEN_NAME = 'first-admin';
/** The one login link may sit in a log until somebody comes back from lunch, and hardly longer. */
const LOGIN_LINK_LIFETIME_MS = 24 * 60 * 60 * 1000;

export const tokenRequestSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/i, 'letters, digits and . _ - only, 63 at most')
      .refine((name) => !RESERVED_NAMES.has(name), 'this name is taken by the audit log'),
    role: z.enum(ROLES),
    teamId: z.string().min(1).max(200).exactOptional(),
  })
  .refine(({ role, teamId }) => role !== 'admin' || teamId === undefined, {
    path: ['teamId'],
    message: 'an admin hands out access to everything and cannot be limited to a team',
  });

export type TokenRequest = z.input<typeof tokenRequestSchema>;

export interface Tokens {
  /**
   * @returns the token with its secret, which is shown this once and kept nowhere
   * @throws `LifecycleError`: `invalid_request`, `wrong_state` when the name is taken
   */
  create(request: unknown, by: string): Promise<AccessToken & { readonly secret: string }>;
  list(): Promise<readonly AccessToken[]>;
  /** @throws `LifecycleError`: `not_found`; `wrong_state` for the last admin, who could not come back */
  revoke(name: string): Promise<void>;
  /**
   * Makes the first admin token, once in the life of a deployment, and returns a login code for it. The
   * token's own secret is thrown away: the link is the only way in, and it works once.
   */
  createFirst(): Promise<string | undefined>;
}

export function createTokens(store: AccessStore, nowMs: () => number): Tokens {
  return {
    async create(request, by) {
      const { name, role, teamId } = parse(tokenRequestSchema, request);
      const secret = createTokenSecret();
      const token = { name, role, ...(teamId ? { teamId } : {}), createdAtMs: nowMs(), createdBy: by };
      if (await store.createToken(digestOf(secret), token)) return { ...token, secret };
      throw new LifecycleError({
        code: 'wrong_state',
        message: `there is a token named ${name} already`,
        remediation: 'Take another name, or revoke that one first.',
        retryable: false,
      });
    },

    list: () => store.listTokens(),

    async revoke(name) {
      const all = await store.listTokens();
      const admins = all.filter(({ role }) => role === 'admin');
      if (admins.length === 1 && admins[0]?.name === name) {
        throw new LifecycleError({
          code: 'wrong_state',
          message: `${name} is the last admin token`,
          remediation: 'Create another admin token first.',
          retryable: false,
        });
      }
      if (await store.revokeToken(name)) return;
      throw new LifecycleError({
        code: 'not_found',
        message: `there is no token named ${name}`,
        retryable: false,
      });
    },

    async createFirst() {
      const code = createSecret();
      const token = {
        name: FIRST_TOKEN_NAME,
        role: 'admin',
        createdAtMs: nowMs(),
        createdBy: 'cli',
      } as const;
      const loginCode = { digest: digestOf(code), lifetimeMs: LOGIN_LINK_LIFETIME_MS };
      const made = await store.createFirstToken(digestOf(createTokenSecret()), token, loginCode);
      return made ? code : undefined;
    },
  };
}
