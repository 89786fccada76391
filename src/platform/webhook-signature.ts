/**
 * Signatures of webhooks, after standardwebhooks.com, so that its libraries verify ours too. WebCrypto only: the
 * receiver's half runs in Convex, in browsers and at the edge.
 *
 * Signed is `<id>.<timestamp>.<body>` with HMAC-SHA256. The header holds one `v1,<base64>` per secret, separated
 * by spaces: while a secret is being rotated both are there, and one that matches is enough.
 */

export const ID_HEADER = 'webhook-id';
/** Unix seconds of this try. */
export const TIMESTAMP_HEADER = 'webhook-timestamp';
export const SIGNATURE_HEADER = 'webhook-signature';

const VERSION = 'v1';
const PREFIX = 'whsec_';

export interface SignedContent {
  readonly id: string;
  readonly timestamp: string;
  readonly body: string;
}

/** @param secrets `whsec_` with base64 after it stands for those bytes, anything else for its own UTF-8 bytes */
export async function signContent(content: SignedContent, secrets: readonly string[]): Promise<string> {
  const signatures = await Promise.all(
    secrets.map(async (secret) => {
      const key = await importKey(secret);
      const bytes = new Uint8Array(await crypto.subtle.sign('HMAC', key, signedBytes(content)));
      return `${VERSION},${btoa(String.fromCharCode(...bytes))}`;
    }),
  );
  return signatures.join(' ');
}

/** Whether any signature in the header was made with any of the secrets. Compares in constant time. */
export async function verifyContent(
  content: SignedContent,
  header: string,
  secrets: readonly string[],
): Promise<boolean> {
  const signatures = header
    .split(' ')
    .slice(0, MAX_SIGNATURES)
    .flatMap((item) => (item.startsWith(`${VERSION},`) ? [fromBase64(item.slice(VERSION.length + 1))] : []));
  for (const secret of secrets) {
    const key = await importKey(secret);
    for (const signature of signatures) {
      if (signature && (await crypto.subtle.verify('HMAC', key, signature, signedBytes(content))))
        return true;
    }
  }
  return false;
}

/** A header with more was not made by us and would only cost time. */
const MAX_SIGNATURES = 8;

function signedBytes({ id, timestamp, body }: SignedContent): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${id}.${timestamp}.${body}`);
}

function importKey(secret: string) {
  const bytes = secret.startsWith(PREFIX) ? fromBase64(secret.slice(PREFIX.length)) : undefined;
  const key = bytes ?? new TextEncoder().encode(secret);
  return crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
