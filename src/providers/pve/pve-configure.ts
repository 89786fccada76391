import { z } from 'zod';
import type { ProviderCall } from '../provider.ts';
import type { PveContext } from './pve-context.ts';
import { reach } from './pve-guest.ts';
import { type OwnGuest, readConfig } from './pve-locate.ts';
import { guestPath } from './pve-place.ts';
import type { GuestConfig } from './pve-schemas.ts';

/** On every guest of ours, of any deployment: it finds them in lists. */
export const OWN_TAG = 'cmux-lifecycle';

/**
 * Clones inherit tags, protection and start-at-boot of their template (facts §4), so all three are set
 * explicitly. `protection` is always cleared: it would stop our own destroy; whether a *sandbox* is protected
 * is the registry's to know. The description keeps what the clone request wrote. Nothing is sent when all is
 * as it should be.
 */
export async function configureGuest(
  own: OwnGuest,
  context: PveContext,
  call: ProviderCall,
): Promise<OwnGuest> {
  const { node, vmid } = own.place;
  const tags = ownTags(context.options.deployment);
  if (isConfigured(own.config, tags)) return own;
  const path = `${guestPath(context.kind, node, vmid)}/config`;
  const params = { tags: tags.join(';'), protection: 0, onboot: 0 };
  const isDone = async () => {
    const config = await readConfig(node, vmid, context, call);
    return config !== undefined && isConfigured(config, tags);
  };
  const put = () => context.api.change({ step: 'configure', method: 'PUT', path, params }, z.unknown(), call);
  await reach(isDone, put, call);
  return own;
}

function isConfigured(config: GuestConfig, tags: readonly string[]): boolean {
  const has = parseTags(config.tags);
  return !config.protection && !config.onboot && tags.every((tag) => has.includes(tag));
}

/** One tag for all, one for the deployment if its name fits Proxmox's rule for tags (facts §6). */
export function ownTags(deployment: string): readonly string[] {
  const tag = `${OWN_TAG}-${deployment.toLowerCase()}`;
  return /^[a-z0-9_][a-z0-9_\-+.]*$/.test(tag) ? [OWN_TAG, tag] : [OWN_TAG];
}

export function parseTags(tags: string | undefined): readonly string[] {
  return (tags ?? '').split(/[;, ]+/).filter((tag) => tag !== '');
}
