/** Where a guest's services are reached. */
import type { Endpoint } from '../../core/guest.ts';
import type { GuestFacts, ProviderCall } from '../provider.ts';
import { ProviderError } from '../provider-error.ts';
import { DEFAULT_SERVICE_PORTS } from '../service-ports.ts';
import { pollUntil } from '../wait.ts';
import type { PveContext } from './pve-context.ts';
import { isRefusal } from './pve-errors.ts';
import { readSecrets } from './pve-first-boot.ts';
import type { OwnGuest } from './pve-locate.ts';
import { guestPath, type Place, refOf } from './pve-place.ts';
import { agentInterfacesSchema, ctInterfacesSchema } from './pve-schemas.ts';

/**
 * By URL template if there is one; else at the static address of its configuration; else at the address that
 * its agent (VM) or its interfaces (container) show, which needs a guest that has booted.
 */
export async function readFacts(own: OwnGuest, context: PveContext, call: ProviderCall): Promise<GuestFacts> {
  const { guestId, vmid } = own.place;
  const urlOf = await chooseUrls(own, context, call);
  const ports = context.options.servicePorts ?? DEFAULT_SERVICE_PORTS;
  const endpoints: Endpoint[] = ports.map(({ name, port }) => ({ name, port, url: urlOf(port) }));
  const { firstBoot } = context.options;
  const secrets = firstBoot === undefined ? {} : readSecrets(firstBoot, own.config, guestId);
  return {
    ref: refOf(own.place, context),
    vmid,
    hostname: guestId,
    endpoints,
    ...(Object.keys(secrets).length > 0 && { secrets }),
  };
}

async function chooseUrls(
  own: OwnGuest,
  context: PveContext,
  call: ProviderCall,
): Promise<(port: number) => string> {
  const { endpointUrlTemplate: template } = context.options;
  if (template !== undefined) {
    return (port) => template.replaceAll('{port}', String(port)).replaceAll('{guest}', own.place.guestId);
  }
  const address = staticAddress(own.config.network ?? '') ?? (await askGuest(own.place, context, call));
  return (port) => `http://${address}:${port}`;
}

/** `ip=10.0.0.5/24,gw=10.0.0.1`; `ip=dhcp` has none. */
export function staticAddress(ipConfig: string): string | undefined {
  return /(?:^|,)ip=(\d+\.\d+\.\d+\.\d+)/.exec(ipConfig)?.[1];
}

/** From the end of the start task to an agent that answers: a cold boot of a full desktop image. */
const ADDRESS_TIMEOUT_MS = 120_000;

async function askGuest(place: Place, context: PveContext, call: ProviderCall): Promise<string> {
  const timeoutMs = context.options.addressTimeoutMs ?? ADDRESS_TIMEOUT_MS;
  const read = context.kind.path === 'lxc' ? readContainerAddresses : readAgentAddresses;
  const address = await pollUntil(async () => (await read(place, context, call)).find(isUsable), {
    signal: call.signal,
    timeoutMs,
  });
  if (address !== undefined) return address;
  const [who, remediation] =
    context.kind.path === 'lxc'
      ? [place.guestId, 'Check the network of the template (net0), or set PVE_PUBLIC_DOMAIN.']
      : [
          `the agent in ${place.guestId}`,
          'Check that qemu-guest-agent runs in the template, or set PVE_PUBLIC_DOMAIN.',
        ];
  throw new ProviderError({
    kind: 'never_usable',
    effect: 'applied',
    message: `${who} reported no address within ${timeoutMs / 1000} s`,
    remediation,
    provider: context.kind.provider,
  });
}

async function readContainerAddresses(
  place: Place,
  context: PveContext,
  call: ProviderCall,
): Promise<readonly string[]> {
  const path = `${guestPath(context.kind, place.node, place.vmid)}/interfaces`;
  const cards = (await context.api.read(path, ctInterfacesSchema, call)) ?? [];
  return cards
    .filter((card) => !INNER_INTERFACE.test(card.name))
    .flatMap(({ inet }) => inet?.split('/')[0] ?? []);
}

async function readAgentAddresses(
  place: Place,
  context: PveContext,
  call: ProviderCall,
): Promise<readonly string[]> {
  const path = `${guestPath(context.kind, place.node, place.vmid)}/agent/network-get-interfaces`;
  try {
    const { result } = await context.api.read(path, agentInterfacesSchema, call);
    return (result ?? [])
      .filter((card) => !INNER_INTERFACE.test(card.name ?? ''))
      .flatMap((card) => card['ip-addresses'] ?? [])
      .filter((address) => address['ip-address-type'] === 'ipv4')
      .map((address) => address['ip-address']);
  } catch (error) {
    // It is still booting, or its agent is not up yet.
    if (isRefusal(error, 'agent_silent', 'not_running', 'got_timeout')) return [];
    throw error;
  }
}

/** Interfaces that exist only inside: loopback, Docker, bridges, tunnels. */
const INNER_INTERFACE = /^(lo|docker|br-|veth|virbr|cni|flannel|tailscale|wg)/;

/** IPv4, and neither loopback nor the address a card gives itself when DHCP does not answer. */
function isUsable(address: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(address) && !/^(127\.0\.0\.1$|169\.254\.)/.test(address);
}
