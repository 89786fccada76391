import { z } from 'zod';
import type { GuestSize } from '../../core/guest.ts';
import type { ProviderCall } from '../provider.ts';
import type { PveContext } from './pve-context.ts';
import { chooseChannel, cloudInitParameters, containerParameters } from './pve-first-boot.ts';
import { reach } from './pve-guest.ts';
import { type OwnGuest, readConfig } from './pve-locate.ts';
import { guestPath } from './pve-place.ts';
import type { GuestConfig } from './pve-schemas.ts';

/** On every guest of ours, of any deployment: it finds them in lists. */
export const OWN_TAG = 'cmux-lifecycle';

/**
 * Clones inherit tags, protection and start-at-boot of their template (facts §4), so all three are set
 * explicitly. `protection` is always cleared: it would stop our own destroy; whether a *sandbox* is protected
 * is the registry's to know. The description keeps what the clone request wrote. One request, before the first
 * boot, so that nothing waits for a restart; nothing is sent when all is as it should be.
 */
export async function configureGuest(
  own: OwnGuest,
  size: GuestSize | undefined,
  context: PveContext,
  call: ProviderCall,
): Promise<OwnGuest> {
  const { node, vmid } = own.place;
  const params = await missingIn(own, size, context, call);
  if (Object.keys(params).length === 0) return own;
  const path = `${guestPath(context.kind, node, vmid)}/config`;
  const isDone = async () => {
    const config = await readConfig(node, vmid, context, call);
    if (config === undefined) return false;
    return Object.keys(await missingIn({ ...own, config }, size, context, call)).length === 0;
  };
  const put = () => context.api.change({ step: 'configure', method: 'PUT', path, params }, z.unknown(), call);
  await reach(isDone, put, call);
  // What was written may hold secrets that only the configuration knows now.
  return { ...own, config: (await readConfig(node, vmid, context, call)) ?? own.config };
}

/** What has to be set for the guest to be as it should be; empty when it is. */
async function missingIn(
  { config, place }: OwnGuest,
  size: GuestSize | undefined,
  context: PveContext,
  call: ProviderCall,
): Promise<Readonly<Record<string, string | number>>> {
  const { options } = context;
  const tags = ownTags(options.deployment);
  const basics = isMarked(config, tags) ? {} : { tags: tags.join(';'), protection: 0, onboot: 0 };
  const params = { ...basics, ...sizeParameters(size, config, context) };
  if (options.firstBoot === undefined) return params;
  if (context.kind.path === 'qemu') return { ...params, ...cloudInitParameters(options.firstBoot, config) };
  const { env, descriptionLine } = options.firstBoot;
  if (env === undefined && descriptionLine === undefined) return params;
  const channel = await chooseChannel(context.api, call);
  return { ...params, ...containerParameters(options.firstBoot, channel, config, place.guestId) };
}

function isMarked(config: GuestConfig, tags: readonly string[]): boolean {
  const has = parseTags(config.tags);
  return !config.protection && !config.onboot && tags.every((tag) => has.includes(tag));
}

function sizeParameters(
  size: GuestSize | undefined,
  config: GuestConfig,
  { kind }: PveContext,
): Readonly<Record<string, number>> {
  if (size === undefined) return {};
  const sockets = kind.path === 'qemu' ? { sockets: 1 } : {};
  return {
    ...(config.vcpus === size.vcpus ? {} : { cores: size.vcpus, ...sockets }),
    ...(config.memoryMib === size.memoryMib ? {} : { memory: size.memoryMib }),
  };
}

/** One tag for all, one for the deployment if its name fits Proxmox's rule for tags (facts §6). */
export function ownTags(deployment: string): readonly string[] {
  const tag = `${OWN_TAG}-${deployment.toLowerCase()}`;
  return /^[a-z0-9_][a-z0-9_\-+.]*$/.test(tag) ? [OWN_TAG, tag] : [OWN_TAG];
}

export function parseTags(tags: string | undefined): readonly string[] {
  return (tags ?? '').split(/[;, ]+/).filter((tag) => tag !== '');
}
