/**
 * What Morph does to an instance by itself, kept as this deployment wants it: its TTL pauses when we are gone, and
 * traffic wakes nothing unless it was asked for. The same request sent twice, or late, does no harm: on a paused
 * instance neither setting has an effect until it is resumed, and a resume arms the TTL anew (facts A4).
 */
import type { GuestRef } from '../../core/guest.ts';
import type { GuestObservation, ProviderCall } from '../provider.ts';
import type { MorphInstance } from './morph-api.ts';
import type { MorphContext } from './morph-context.ts';
import { observeInstance } from './morph-observe.ts';

export async function configureInstance(
  ref: GuestRef,
  context: MorphContext,
  call: ProviderCall,
): Promise<GuestObservation> {
  const instance = await context.api.find(ref.nativeId, call);
  if (instance === undefined) return { condition: 'gone', detail: 'Morph knows no such instance' };
  const observed = observeInstance(instance, ref);
  if (observed.condition !== 'running' || observed.marker === undefined) return observed;
  await setWakeOn(instance, context, call);
  await armTtl(instance, context, call);
  return observed;
}

/** Whether a running instance is as it is to be; how much of the TTL is left is not asked. */
export function isConfigured(
  { ttl, wake_on: now }: MorphInstance,
  { wakeOn, deadManSeconds }: MorphContext,
): boolean {
  const wakes = (now?.wake_on_http ?? false) === wakeOn.http && (now?.wake_on_ssh ?? false) === wakeOn.ssh;
  const seconds = ttl?.ttl_seconds ?? 0;
  return wakes && seconds === deadManSeconds && (seconds === 0 || ttl?.ttl_action === 'pause');
}

/**
 * Sent only when the instance says that it is otherwise: Morph's default is off for both (facts A4), and every
 * request counts against limits that nobody has published.
 */
export async function setWakeOn(
  { id, wake_on: now }: MorphInstance,
  context: MorphContext,
  call: ProviderCall,
): Promise<void> {
  const { http, ssh } = context.wakeOn;
  if ((now?.wake_on_http ?? false) === http && (now?.wake_on_ssh ?? false) === ssh) return;
  const path = `/instance/${encodeURIComponent(id)}/wake-on`;
  const json = { wake_on_http: http, wake_on_ssh: ssh };
  await context.api.change({ step: 'configure', method: 'POST', path, json, quick: true }, call);
}

async function armTtl({ id, ttl }: MorphInstance, context: MorphContext, call: ProviderCall): Promise<void> {
  const { deadManSeconds } = context;
  if (deadManSeconds === 0 && ttl?.ttl_seconds == null) return;
  const path = `/instance/${encodeURIComponent(id)}/ttl`;
  // Never without its action: Morph's default is `stop`, and that deletes.
  const json =
    deadManSeconds === 0 ? { ttl_seconds: null } : { ttl_seconds: deadManSeconds, ttl_action: 'pause' };
  await context.api.change({ step: 'renew-ttl', method: 'POST', path, json, quick: true }, call);
}
