import { randomBytes } from 'node:crypto';
import { ID_ALPHABET as ALPHABET, ID_TIME_DIGITS } from '../core/ids.ts';

/** An id that sorts by creation time: prefix, 10 characters of milliseconds, 8 random ones (40 bits). */
export function createSortableId(prefix: string, nowMs: number): string {
  let time = '';
  for (let rest = nowMs, digit = 0; digit < ID_TIME_DIGITS; digit += 1, rest = Math.floor(rest / 32)) {
    time = ALPHABET.charAt(rest % 32) + time;
  }
  const random = [...randomBytes(8)].map((byte) => ALPHABET.charAt(byte % 32)).join('');
  return `${prefix}-${time}${random}`;
}

/** The short form that cmux's routers know: a prefix and eight hex digits. */
export function createGuestId(prefix: string): string {
  return prefix + randomBytes(4).toString('hex');
}
