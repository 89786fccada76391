/**
 * The token with which a guest says how its own sandbox is doing. It is derived from the operator's key and the
 * sandbox's id: nothing of it is kept anywhere, and it opens nothing but that one route of that one sandbox.
 */
import { timingSafeEqual } from 'node:crypto';
import type { SecretBox } from '../../platform/secret-box.ts';

const PREFIX = 'clhb_';

export function heartbeatTokenOf(sandboxId: string, box: Pick<SecretBox, 'derive'>): string {
  return `${PREFIX}${sandboxId}.${box.derive(`heartbeat of ${sandboxId}`)}`;
}

export function isHeartbeatToken(secret: string): boolean {
  return secret.startsWith(PREFIX);
}

/** The sandbox that the token is for; `undefined` when it is none of ours. */
export function sandboxOfToken(secret: string, box: Pick<SecretBox, 'derive'>): string | undefined {
  const sandboxId = secret.slice(PREFIX.length, secret.lastIndexOf('.'));
  const [given, right] = [Buffer.from(secret), Buffer.from(heartbeatTokenOf(sandboxId, box))];
  return given.length === right.length && timingSafeEqual(given, right) ? sandboxId : undefined;
}

/** The one thing a guest may do. */
export function isOwnHeartbeat(method: string, path: string, sandboxId: string): boolean {
  return method === 'POST' && path === `/v1/sandboxes/${sandboxId}/heartbeat`;
}
