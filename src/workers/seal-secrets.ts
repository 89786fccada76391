import type { GuestFacts } from '../providers/provider.ts';
import type { Settlement } from '../store/attempt-endings.ts';
import type { WorkerDeps } from './worker-deps.ts';

/** What a settlement keeps of a guest's secrets: nothing readable, and nothing at all without a key. */
export function sealSecrets(
  { secretBox }: Pick<WorkerDeps, 'secretBox'>,
  { ref, secrets }: GuestFacts,
): Pick<Settlement, 'sealedSecrets'> {
  if (secretBox === undefined || secrets === undefined) return {};
  const sealed = Object.entries(secrets).map(([name, text]) => [name, secretBox.seal(ref.guestId, text)]);
  return { sealedSecrets: Object.fromEntries(sealed) };
}
