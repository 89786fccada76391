import { sentinelOptions } from './redis-address.ts';

/** An address fit for messages and logs: without its password. */
export function withoutPassword(url: string): string {
  try {
    const parsed = new URL(url);
    if (parsed.password !== '') parsed.password = '***';
    if (parsed.searchParams.has('password')) parsed.searchParams.set('password', '***');
    return parsed.toString();
  } catch {
    // Several Sentinels in one address are more than a URL can hold.
    if (sentinelOptions(url)) return url.replace(/:\/\/[^@/]*@/, '://***@');
    return 'the given address';
  }
}
