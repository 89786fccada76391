/** Where a guest's services are reached. */
import type { Endpoint } from '../../core/guest.ts';
import type { GuestFacts, ProviderCall } from '../provider.ts';
import { ProviderError } from '../provider-error.ts';
import { DEFAULT_SERVICE_PORTS } from '../service-ports.ts';
import { pollUntil } from '../wait.ts';
import type { PveContext } from './pve-context.ts';
import { isRefusal } from './pve-errors.ts';
import type { OwnGuest } from './pve-locate.ts';
import { guestPath, type Place, refOf } from './pve-place.ts';
import { agentInterfacesSchema } from './pve-schemas.ts';

/**
 * By URL template if there is one; else at the static address of its configuration; else at the address that
 * the agent inside reports, which needs a guest that has booted.
 */
export async function readFacts(own: OwnGuest, context: PveContext, call: ProviderCall): Promise<GuestFacts> {
  const { guestId, vmid } = own.place;
  const urlOf = await chooseUrls(own, context, call);
  const ports = context.options.servicePorts ?? DEFAULT_SERVICE_PORTS;
  const endpoints: Endpoint[] = ports.map(({ name, port }) => ({ name, port, url: urlOf(port) }));
  return { ref: refOf(own.place, context), vmid, hostname: guestId, endpoints };
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
  const address = staticAddress(own.config.ipconfig0 ?? '') ?? (await askAgent(own.place, context, call));
  return (port) => `http://${address}:${port}`;
}

/** `ip=10.0.0.5/24,gw=10.0.0.1`; `ip=dhcp` has none. */
export function staticAddress(ipConfig: string): string | undefined {
  return /(?:^|,)ip=(\d+\.\d+\.\d+\.\d+)/.exec(ipConfig)?.[1];
}

/** From the end of the start task to an agent that answers: a cold boot of a full desktop image. */
const ADDRESS_TIMEOUT_MS = 120_000;

async function askAgent(place: Place, context: PveContext, call: ProviderCall): Promise<string> {
  const timeoutMs = context.options.addressTimeoutMs ?? ADDRESS_TIMEOUT_MS;
  const address = await pollUntil(() => readAgentAddress(place, context, call), {
    signal: call.signal,
    timeoutMs,
  });
  if (address !== undefined) return address;
  throw new ProviderError({
    kind: 'never_usable',
    effect: 'applied',
    message: `the agent in ${place.guestId} reported no address within ${timeoutMs / 1000} s`,
    remediation: 'Check that qemu-guest-agent runs in the template, or set PVE_PUBLIC_DOMAIN.',
    provider: context.kind.provider,
  });
}

async function readAgentAddress(
  place: Place,
  context: PveContext,
  call: ProviderCall,
): Promise<string | undefined> {
  const path = `${guestPath(context.kind, place.node, place.vmid)}/agent/network-get-interfaces`;
  try {
    const { result } = await context.api.read(path, agentInterfacesSchema, call);
    return result?.filter((card) => !INNER_INTERFACE.test(card.name ?? '')).flatMap(usableAddresses)[0];
  } catch (error) {
    // It is still booting, or its agent is not up yet.
    if (isRefusal(error, 'agent_silent', 'not_running', 'got_timeout')) return undefined;
    throw error;
  }
}

/** Interfaces that exist only inside: loopback, Docker, bridges, tunnels. */
const INNER_INTERFACE = /^(lo|docker|br-|veth|virbr|cni|flannel|tailscale|wg)/;

interface AgentInterface {
  readonly 'ip-addresses'?:
    | readonly { readonly 'ip-address': string; readonly 'ip-address-type': string }[]
    | undefined;
}

function usableAddresses(card: AgentInterface): readonly string[] {
  return (card['ip-addresses'] ?? [])
    .filter((address) => address['ip-address-type'] === 'ipv4')
    .map((address) => address['ip-address'])
    .filter((address) => !/^(127\.0\.0\.1$|169\.254\.)/.test(address));
}
