/** How sortable ids tell when they were made; `platform/ids.ts` makes them. */

export const ID_ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
export const ID_TIME_DIGITS = 10;

/** Unix time in ms, as written in `<prefix>-<10 digits of time><random>`; `undefined`: not such an id. */
export function createdAtOfId(id: string): number | undefined {
  const digits = id.slice(id.indexOf('-') + 1, id.indexOf('-') + 1 + ID_TIME_DIGITS);
  if (!id.includes('-') || digits.length < ID_TIME_DIGITS) return undefined;
  let time = 0;
  for (const digit of digits) {
    const value = ID_ALPHABET.indexOf(digit);
    if (value < 0) return undefined;
    time = time * ID_ALPHABET.length + value;
  }
  return time;
}
