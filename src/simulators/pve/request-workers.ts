import type { Timers } from '../timers.ts';
import { PveFailure } from './pve-failure.ts';

/**
 * The hop from pveproxy to a node's pvedaemon. Its workers are blocking: one request each, the others wait, first come
 * first served (facts/proxmox.md §7). pveproxy itself waits 30 s and then answers 596, while the request is still in
 * line or at work: after a 596 anything may have happened.
 */
export interface RequestWorkers {
  readonly run: <T>(node: string, work: () => T | Promise<T>) => Promise<T>;
}

export function createRequestWorkers(
  timers: Timers,
  options: { readonly perNode: number; readonly proxyTimeoutMs: number },
): RequestWorkers {
  const busy = new Map<string, number>();
  const queues = new Map<string, (() => void)[]>();

  const enter = async (node: string): Promise<void> => {
    const working = busy.get(node) ?? 0;
    if (working < options.perNode) {
      busy.set(node, working + 1);
      return;
    }
    // Whoever leaves hands its place over, so the count of busy workers stays as it is.
    await new Promise<void>((admit) => {
      const queue = queues.get(node) ?? [];
      queue.push(admit);
      queues.set(node, queue);
    });
  };

  const leave = (node: string): void => {
    const next = queues.get(node)?.shift();
    if (next === undefined) busy.set(node, (busy.get(node) ?? 1) - 1);
    else next();
  };

  const work = async <T>(node: string, body: () => T | Promise<T>): Promise<T> => {
    await enter(node);
    try {
      return await body();
    } finally {
      leave(node);
    }
  };

  return {
    run: (node, body) =>
      new Promise((resolve, reject) => {
        const cancel = timers.after(options.proxyTimeoutMs, () =>
          reject(new PveFailure('Connection timed out', { status: 596 })),
        );
        work(node, body).then(resolve, reject).finally(cancel);
      }),
  };
}
