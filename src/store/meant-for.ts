/**
 * What a start fell back from, told behind a JSON list of the ledger by a number of spaces. Release 0.1.0 refuses a
 * list with one element more, and it reads the ledger while an upgrade is under way and after a rollback; white space
 * after a list it passes over, as every reader of JSON does. Readers here take a last element as well, so that a later
 * release may write one, once nobody goes back to 0.1.0.
 */
import { PROVIDER_NAMES, type ProviderName } from '../core/provider-name.ts';

/** Most guests are where they were meant to be: their lists stay as they are, as each is kept millions of times. */
export function appendMeantFor(list: string, meantFor: ProviderName | undefined): string {
  return meantFor === undefined ? list : list + ' '.repeat(PROVIDER_NAMES.indexOf(meantFor) + 1);
}

/** `undefined` as well for a number that this release does not know. */
export function meantForBehind(list: string): ProviderName | undefined {
  return PROVIDER_NAMES[list.length - list.trimEnd().length - 1];
}
