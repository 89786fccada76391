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

/** Above zero or zero, with or without a fraction. */
export function decimal(text: string): number {
  if (/^\d{1,9}(\.\d{1,6})?$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a number such as 1.5.');
}

/** A day or a moment, UTC unless it says otherwise. */
export function instant(text: string): number {
  const atMs = Date.parse(text);
  if (/^\d{4}-\d{2}-\d{2}/.test(text) && !Number.isNaN(atMs)) return atMs;
  throw new InvalidArgumentError('Give a day or a time, such as 2026-11-01.');
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
