/** What Morph says of an instance, in our words. */
import type { GuestRef } from '../../core/guest.ts';
import { markerFromMetadata } from '../../core/marker.ts';
import type { GuestCondition, GuestObservation } from '../provider.ts';
import type { MorphInstance } from './morph-api.ts';

const CONDITIONS: Readonly<Record<string, GuestCondition>> = {
  pending: 'creating',
  ready: 'running',
  saving: 'pausing',
  paused: 'paused',
};

export function observeInstance(instance: MorphInstance, ref: GuestRef): GuestObservation {
  const { ttl, wake_on: wake } = instance;
  const marker = markerFromMetadata(instance.metadata);
  // Only a TTL that pauses: one that stops deletes, and then there is nothing to observe (facts A3).
  const pausesAt = ttl?.ttl_action === 'pause' ? ttl.ttl_expire_at : undefined;
  return {
    condition: conditionOf(instance),
    detail: instance.status ?? 'without status',
    wakesByItself: (wake?.wake_on_http ?? false) || (wake?.wake_on_ssh ?? false),
    ...(pausesAt == null ? {} : { pausesAtMs: pausesAt * 1_000 }),
    ...(marker?.guest === ref.guestId ? { marker } : {}),
  };
}

/** `error` is not among our conditions: it is the provider's to explain. */
export function conditionOf(instance: MorphInstance): GuestCondition {
  return CONDITIONS[instance.status ?? ''] ?? 'unknown';
}
