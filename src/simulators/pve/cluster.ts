import { PveFailure } from './pve-failure.ts';
import { configFile, type PveGuest } from './pve-guests.ts';

/**
 * What the nodes know of each other. An offline node is cut off, not off: its guests and tasks go on, but no request
 * reaches it and nobody reaches its guests. The endpoint itself stays reachable whichever node is offline, as behind
 * an address that fails over. None of it is saved: a restart finds all nodes online and quorate.
 */
export interface Cluster {
  readonly isOnline: (node: string) => boolean;
  /** When it was last heard of; undefined while it is online. */
  readonly offlineSinceMs: (node: string) => number | undefined;
  readonly setOffline: (node: string, offline: boolean) => void;
  readonly isQuorate: () => boolean;
  readonly setQuorum: (quorate: boolean) => void;
  /** Called right before a node goes offline: whoever keeps its last figures takes them now. */
  readonly beforeOffline: (listener: (node: string) => void) => void;
}

export function createCluster(nodes: readonly string[], nowMs: () => number): Cluster {
  const offlineSince = new Map<string, number>();
  const listeners: ((node: string) => void)[] = [];
  let quorate = true;
  return {
    isOnline: (node) => !offlineSince.has(node),
    offlineSinceMs: (node) => offlineSince.get(node),
    setOffline: (node, offline) => {
      if (!nodes.includes(node)) throw new Error(`no node ${node}`);
      if (!offline) {
        offlineSince.delete(node);
      } else if (!offlineSince.has(node)) {
        for (const listener of listeners) listener(node);
        offlineSince.set(node, nowMs());
      }
    },
    isQuorate: () => quorate,
    setQuorum: (next) => {
      quorate = next;
    },
    beforeOffline: (listener) => {
      listeners.push(listener);
    },
  };
}

/** `check_cfs_quorum`: start and clone ask before they fork. */
export function checkQuorum({ cluster }: { readonly cluster: Cluster }): void {
  if (!cluster.isQuorate()) throw new PveFailure('cluster not ready - no quorum?');
}

/**
 * Without quorum pmxcfs is read-only, so every write of a configuration fails. The words are file_set_contents' from
 * many reports; no source says what the number at the end is but the writer's process id.
 */
export function refuseWithoutQuorum(
  world: { readonly cluster: Cluster; readonly nextPid: () => number },
  guest: PveGuest,
): void {
  if (world.cluster.isQuorate()) return;
  const file = `/etc/pve/${configFile(guest)}.tmp.${world.nextPid()}`;
  throw new PveFailure(`unable to open file '${file}' - Permission denied`);
}

/** `check_node_exists`. */
export function checkNodeExists({ nodes }: { readonly nodes: readonly string[] }, node: string): void {
  if (!nodes.includes(node)) throw new PveFailure(`no such cluster node '${node}'`);
}
