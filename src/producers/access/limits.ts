import type { AccessStore } from '../../store/access.ts';
import type { Refusal } from './refusal.ts';

/**
 * Tokens cannot be guessed; the limit is for logs and for whoever pastes the wrong thing over and over. A
 * token that is right is never held up by it: others behind the same address did nothing wrong.
 */
const FAILED_LOGINS = { max: 20, windowMs: 5 * 60_000 };
/** Ten times the design point of 10 operations a second, so that only a runaway loop meets it. */
export const REQUESTS_PER_MINUTE = 6_000;

export async function overFailedLogins(
  store: AccessStore,
  addressGroup: string,
): Promise<Refusal | undefined> {
  const { count, endsInMs } = await store.countInWindow(`failed:${addressGroup}`, FAILED_LOGINS.windowMs);
  if (count <= FAILED_LOGINS.max) return undefined;
  return tooMany('too many failed logins from this address', endsInMs);
}

export async function overRequests(
  store: AccessStore,
  tokenName: string,
  max: number,
): Promise<Refusal | undefined> {
  const { count, endsInMs } = await store.countInWindow(`requests:${tokenName}`, 60_000);
  if (count <= max) return undefined;
  return tooMany(`token ${tokenName} made more than ${max} requests in a minute`, endsInMs);
}

function tooMany(message: string, endsInMs: number): Refusal {
  return { code: 'too_many_requests', message, retryAfterMs: Math.max(1_000, endsInMs) };
}
