import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context } from 'hono';

/**
 * Where a request comes from, for the audit log. `X-Forwarded-For` counts only behind a proxy of ours, and of
 * it the last entry: that one the proxy wrote, the ones before it anybody may have made up.
 */
export function clientAddress(context: Context, trustProxy: boolean): string {
  const forwarded = trustProxy ? context.req.header('x-forwarded-for')?.split(',').at(-1)?.trim() : undefined;
  return forwarded || connectedAddress(context);
}

function connectedAddress(context: Context): string {
  try {
    return getConnInfo(context).remote.address?.replace(/^::ffff:/, '') ?? 'unknown';
  } catch {
    // Requests that are handed to the app without a socket, in tests.
    return 'unknown';
  }
}

/** What a limit counts by: whoever has one IPv6 address has its whole /64. */
export function addressGroup(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head.split(':').filter((group) => group !== '');
  if (tail !== undefined) while (groups.length < 4) groups.push('0');
  return `${groups.slice(0, 4).join(':')}::/64`;
}
