/**
 * Templates that stay locked. A clone of a container locks its template (`disk`) until it ends; when its worker
 * is killed the lock stays, and every later clone fails until somebody unlocks the template on the host (facts
 * §3). Another deployment's clones look the same, for their tasks are out of our token's sight; but those end.
 *
 * What is seen is kept in this process only: another one finds out for itself, and a restart begins to count
 * anew. The alert is everybody's: whoever sees the template unlocked first clears it.
 */
import type { AlertSink } from '../../core/alert.ts';

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
  alerts: AlertSink,
  command: 'qm' | 'pct',
  lockedTooLongMs = LOCKED_TOO_LONG_MS,
): TemplateRotation {
  const locked = new Map<number, { readonly sinceMs: number; readonly lock: string; told: boolean }>();
  /** Seen unlocked since they were last seen locked, so that an alert is not cleared with every clone. */
  const cleared = new Set<number>();
  return {
    async admits({ vmid, node, name, lock }, hasTask) {
      const known = locked.get(vmid);
      const key = { name: 'template.locked', subject: `${vmid} (${name})` } as const;
      if (lock === undefined) {
        locked.delete(vmid);
        if (!cleared.has(vmid)) await alerts.clear(key);
        cleared.add(vmid);
        return true;
      }
      cleared.delete(vmid);
      if (known?.lock !== lock) {
        locked.set(vmid, { sinceMs: performance.now(), lock, told: false });
        return true;
      }
      if (performance.now() - known.sinceMs < lockedTooLongMs || (await hasTask())) return true;
      if (!known.told) {
        known.told = true;
        await alerts.raise({
          ...key,
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
