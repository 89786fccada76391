import type { GuestObservation } from '../providers/provider.ts';
import type { Settlement } from '../store/attempt-endings.ts';

type Observed = Pick<Settlement, 'sandbox' | 'guestFate'>;

/** What a sandbox is, judged by its guest alone; `undefined` when the provider's word does not say. */
export function stateFromObservation(
  { condition, remediation }: GuestObservation,
  cause: string,
): Observed | undefined {
  switch (condition) {
    case 'gone':
      return { sandbox: { state: 'lost', cause }, guestFate: 'gone' };
    case 'running':
      return { sandbox: { state: 'running', cause }, guestFate: 'keep' };
    case 'paused':
      return { sandbox: { state: 'paused', cause, preservesRam: true }, guestFate: 'keep' };
    case 'stopped':
      return { sandbox: { state: 'paused', cause: 'guest_stopped', preservesRam: false }, guestFate: 'keep' };
    case 'stuck':
      return {
        sandbox: { state: 'stuck', cause, ...(remediation === undefined ? {} : { remediation }) },
        guestFate: 'keep',
      };
    case 'creating':
    case 'pausing':
    case 'unknown':
      return undefined;
  }
}
