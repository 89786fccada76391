/**
 * Templates that stay locked. A clone of a container locks its template (`disk`) until it ends; when its worker
 * is killed the lock stays, and every later clone fails until somebody unlocks the template on the host (facts
 * §3). Another deployment's clones look the same, for their tasks are out of our token's sight; but those end.
 *
 * Kept in this process only: another one finds out for itself, and a restart begins to count anew.
 */
import type { RaiseAlert } from '../alert.ts';

/** Five clones of the slowest kind we know end within it. Longer would only keep sandboxes waiting. */
const LOCKED_TOO_LONG_MS = 5 * 60_000;

export interface SeenTemplate {
  readonly vmid: number;
  readonly node: string;
  readonly name: string;
  readonly lock: string | undefined;
}

export interface TemplateRotation {
  /**
   * Whether the template may be cloned from, given how it was just seen. `hasTask` is asked only when it has
   * been locked for too long: a clone that runs excuses any lock.
   */
  admits(template: SeenTemplate, hasTask: () => Promise<boolean>): Promise<boolean>;
}

export function createTemplateRotation(
  raiseAlert: RaiseAlert,
  command: 'qm' | 'pct',
  lockedTooLongMs = LOCKED_TOO_LONG_MS,
): TemplateRotation {
  const locked = new Map<number, { readonly sinceMs: number; readonly lock: string; told: boolean }>();
  return {
    async admits({ vmid, node, name, lock }, hasTask) {
      const known = locked.get(vmid);
      if (lock === undefined) {
        locked.delete(vmid);
        return true;
      }
      if (known?.lock !== lock) {
        locked.set(vmid, { sinceMs: performance.now(), lock, told: false });
        return true;
      }
      if (performance.now() - known.sinceMs < lockedTooLongMs || (await hasTask())) return true;
      if (!known.told) {
        known.told = true;
        raiseAlert({
          name: 'template.locked',
          message:
            `template ${vmid} (${name}) on ${node} has been locked (${lock}) for ` +
            `${Math.round((performance.now() - known.sinceMs) / 1000)} s and no task is seen that holds it; ` +
            'it is left out until it is unlocked',
          remediation: unlockTemplate(command, vmid, node),
        });
      }
      return false;
    },
  };
}

export function unlockTemplate(command: 'qm' | 'pct', vmid: number, node: string): string {
  return `${command} unlock ${vmid}   # as root on ${node}, once no clone of it runs`;
}
