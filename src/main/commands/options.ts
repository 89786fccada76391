/** Readers of option values that several commands share. */
import { InvalidArgumentError } from 'commander';
import type { LifecycleClient } from '../../core/client.ts';
import type { ProviderName } from '../../core/provider-name.ts';

export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= least && number <= most) return number;
    throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
  };
}

/** `key=value`, given any number of times. */
export function collectPairs(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Give key=value.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Where a sandbox is, as far as it is anywhere yet. */
export async function providerOf(
  client: Pick<LifecycleClient, 'get'>,
  sandboxId: string,
): Promise<{ readonly provider?: ProviderName }> {
  const { provider } = await client.get(sandboxId);
  return provider === undefined ? {} : { provider };
}
