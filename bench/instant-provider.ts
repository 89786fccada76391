/**
 * A driver of zero latency: it keeps the contract and answers at once, so that what is left to measure is the
 * control plane. Every change runs in a step of its own, as many as the Proxmox driver for VMs takes.
 */
import type { GuestIntent, GuestRef } from '../src/core/guest.ts';
import type { Marker } from '../src/core/marker.ts';
import type { GuestFacts, Provider, ProviderCall } from '../src/providers/provider.ts';

const NAME = 'pve-vm';

export function createInstantProvider(): Provider {
  const running = new Map<string, boolean>();
  const markers = new Map<string, Marker>();

  const refOf = ({ guestId }: GuestIntent): GuestRef => ({ provider: NAME, guestId, nativeId: guestId });
  const factsOf = (ref: GuestRef): GuestFacts => ({ ref, hostname: ref.guestId, endpoints: [] });
  const change = (call: ProviderCall, step: string, { guestId }: GuestRef, runs: boolean | undefined) =>
    call.step(step, async () => {
      if (runs !== undefined) running.set(guestId, runs);
      else {
        running.delete(guestId);
        markers.delete(guestId);
      }
    });

  return {
    name: NAME,
    guestIdPrefix: 'pvevm-',
    capabilities: { preservesRam: true },
    failureDomain: 'bench',
    simulated: true,
    visibilityBoundMs: 0,

    async prepare({ guestId, marker, metadata, size }) {
      const source = 'template';
      return {
        provider: NAME,
        guestId,
        failureDomain: 'bench',
        source,
        marker,
        metadata,
        ...(size && { size }),
      };
    },
    async create(intent, call) {
      const ref = refOf(intent);
      markers.set(ref.guestId, intent.marker);
      await change(call, 'create', ref, false);
      return { ref, task: `task-of-${ref.guestId}` };
    },
    async look(intent) {
      const ref = refOf(intent);
      return running.has(ref.guestId) ? { kind: 'ours', ref } : { kind: 'absent' };
    },
    async bringUp(_intent, { ref }, call) {
      await change(call, 'configure', ref, false);
      await change(call, 'boot', ref, true);
      return factsOf(ref);
    },
    async pause(ref, call) {
      await change(call, 'suspend', ref, false);
      return { preservesRam: true };
    },
    async resume(ref, _options, call) {
      await change(call, 'resume', ref, true);
      return { facts: factsOf(ref), memoryKept: true };
    },
    async destroy(ref, call) {
      await change(call, 'stop', ref, false);
      await change(call, 'destroy', ref, undefined);
    },
    async inspect({ guestId }) {
      const runs = running.get(guestId);
      if (runs === undefined) return { condition: 'gone', detail: 'not there' };
      const marker = markers.get(guestId);
      return { condition: runs ? 'running' : 'paused', detail: 'as asked', ...(marker && { marker }) };
    },
    async list() {
      return [];
    },
    async probe() {
      return { healthy: true, detail: 'answers at once' };
    },
  };
}
