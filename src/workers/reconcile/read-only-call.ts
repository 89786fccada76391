import type { ProviderCall } from '../../providers/provider.ts';

/** For calls outside a claim, which may change nothing. */
export function readOnlyCall(signal: AbortSignal, holder: string): ProviderCall {
  return {
    signal,
    holder,
    step: (name) => Promise.reject(new Error(`${name}: ${holder} may change nothing`)),
  };
}
