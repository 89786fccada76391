/** From a request to the one who sends it. */
import type { Context } from 'hono';
import { getCookie } from 'hono/cookie';
import type { Principal } from '../../core/principal.ts';
import type { SecretBox } from '../../platform/secret-box.ts';
import type { AccessStore, AccessToken } from '../../store/access.ts';
import { refuseForeignHost } from './foreign.ts';
import { isHeartbeatToken, sandboxOfToken } from './heartbeat-token.ts';
import type { Refusal } from './refusal.ts';
import { digestOf } from './secrets.ts';

/** How access is offered, from the configuration. */
export interface IdentityOptions {
  /** The server is bound to loopback and nothing real hangs on it: open as admin until a token is made. */
  readonly openWithoutTokens: boolean;
  readonly cookieName: string;
  /** Knows the heartbeat tokens of guests; absent: there are none. */
  readonly secretBox?: Pick<SecretBox, 'derive'>;
}

export type Identity =
  | { readonly kind: 'known'; readonly principal: Principal }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** Came with nothing, or with a session that has ended. */
  | { readonly kind: 'nobody' }
  /** Came with a token that is none: counts as a failed login. */
  | { readonly kind: 'impostor' };

const LOCAL: Principal = { name: 'local', role: 'admin' };

export async function identify(
  store: AccessStore,
  options: IdentityOptions,
  context: Context,
): Promise<Identity> {
  const header = context.req.header('authorization');
  if (header !== undefined) {
    const [, secret] = /^Bearer +(\S+) *$/i.exec(header) ?? [];
    if (secret !== undefined && options.secretBox && isHeartbeatToken(secret)) {
      const sandboxId = sandboxOfToken(secret, options.secretBox);
      if (sandboxId === undefined) return { kind: 'impostor' };
      return { kind: 'known', principal: { name: `guest of ${sandboxId}`, role: 'guest', sandboxId } };
    }
    const token = secret === undefined ? undefined : await store.tokenByDigest(digestOf(secret));
    return token ? known(token) : { kind: 'impostor' };
  }
  const cookie = getCookie(context, options.cookieName);
  if (cookie !== undefined) {
    const tokenDigest = await store.sessionToken(digestOf(cookie));
    const token = tokenDigest === undefined ? undefined : await store.tokenByDigest(tokenDigest);
    if (token) return known(token);
  }
  if (!options.openWithoutTokens || (await store.hasTokens())) return { kind: 'nobody' };
  const refusal = refuseForeignHost(context.req.header('host'));
  return refusal ? { kind: 'refused', refusal } : { kind: 'known', principal: LOCAL };
}

function known({ name, role, teamId }: AccessToken): Identity {
  return { kind: 'known', principal: { name, role, ...(teamId === undefined ? {} : { teamId }) } };
}
