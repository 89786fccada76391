import type { Provider } from '../providers/provider.ts';
import type { Settlement } from '../store/attempt-endings.ts';

/**
 * When the provider's own TTL is to be renewed, which a start, a resume and a `configure` arm (facts A4).
 * @param askedAtMs no later than it was armed
 */
export function renewalOf(
  { configureEveryMs }: Pick<Provider, 'configureEveryMs'>,
  askedAtMs: number,
): Pick<Settlement, 'renewAtMs'> {
  return configureEveryMs === undefined ? {} : { renewAtMs: askedAtMs + configureEveryMs };
}
