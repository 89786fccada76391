/** What telling the breaker and the alerts has in common, of failures and of successes. */
import type { Operation } from '../core/operation.ts';
import type { ProviderName } from '../core/provider-name.ts';
import type { Logger } from '../platform/log.ts';
import type { Provider } from '../providers/provider.ts';
import type { Store } from '../store/store.ts';

export interface BreakerDeps {
  readonly store: Store;
  readonly provider: Provider;
  readonly log: Logger;
  readonly nowMs: () => number;
}

/** What has to work for the alert to clear: the same kind of operation, and for a start the same preset. */
export function faultSubject(
  provider: ProviderName,
  { kind }: Operation,
  preset = 'sources of its own',
): string {
  return kind === 'start' ? `${provider} start ${preset}` : `${provider} ${kind}`;
}

/** The operation has gone on or is about to: what it showed is worth nothing compared to that. */
export async function withoutFailing(
  { log, nowMs, provider }: BreakerDeps,
  tell: (nowMs: number) => Promise<void>,
): Promise<void> {
  try {
    await tell(nowMs());
  } catch (error) {
    log.warn({ provider: provider.name, err: error }, 'could not tell the breaker');
  }
}
