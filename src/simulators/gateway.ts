import { counterOf, type GuestMemory, servicesAnswer } from './guest-memory.ts';
import type { HostReply } from './http-host.ts';

/** A guest as its visitors see it. */
export interface GatewayGuest {
  readonly name: string;
  readonly memory: GuestMemory;
  readonly exposes: (port: number) => boolean;
  /** Wakes a paused guest that wants to be woken by HTTP, and resolves when it is up; else at once. */
  readonly wake: () => Promise<void>;
}

/**
 * `{gateway}/{guest}/{port}/…`: what a service in the guest would answer. 404 for a guest or port nobody knows, 503
 * while the guest is off, frozen, or not up yet.
 */
export async function answerAtGateway(
  findGuest: (name: string) => GatewayGuest | undefined,
  nowMs: () => number,
  segments: readonly string[],
): Promise<HostReply> {
  const [name = '', portText = ''] = segments;
  const port = Number(portText);
  const found = findGuest(name);
  if (found === undefined) return gatewayReply(404, { guest: name, error: 'no such guest' });
  if (!Number.isInteger(port) || !found.exposes(port)) {
    return gatewayReply(404, { guest: name, error: `nothing is exposed on port ${portText}` });
  }
  await found.wake();
  const guest = findGuest(name);
  if (guest === undefined || !servicesAnswer(guest.memory, nowMs())) {
    return gatewayReply(503, { guest: name, port, error: 'the guest does not answer' });
  }
  const { memory } = guest;
  return gatewayReply(200, {
    guest: name,
    port,
    counter: counterOf(memory, nowMs()),
    bootCount: memory.bootCount,
  });
}

export function gatewayReply(status: number, body: Readonly<Record<string, unknown>>): HostReply {
  return {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
    body: JSON.stringify({ simulated: true, ...body }),
  };
}
