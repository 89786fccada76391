/**
 * Secrets of single sandboxes, such as cmux's exec token, at rest: AES-256-GCM under the operator's key. A
 * sealed text is bound to its guest, so that it cannot be passed off as another's.
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';

export interface SecretBox {
  seal(guestId: string, secret: string): string;
  /** @throws when it was sealed for another guest or under another key. */
  open(guestId: string, sealed: string): string;
  /** The same for the same purpose, known to whoever has the key, and telling nothing of it. */
  derive(purpose: string): string;
}

const ALGORITHM = 'aes-256-gcm';
const VERSION = 'v1';
/** The nonce size that GCM is specified for; random ones are safe for far more secrets than we hold. */
const NONCE_BYTES = 12;

/** @param hexKey 32 bytes as 64 hex digits */
export function createSecretBox(hexKey: string): SecretBox {
  const key = Buffer.from(hexKey, 'hex');
  return {
    seal(guestId, secret) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, key, nonce).setAAD(Buffer.from(guestId));
      const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
      return [VERSION, ...[nonce, cipher.getAuthTag(), text].map((part) => part.toString('base64url'))].join(
        '.',
      );
    },
    derive: (purpose) => createHmac('sha256', key).update(purpose).digest('base64url'),
    open(guestId, sealed) {
      const [version, ...parts] = sealed.split('.');
      const [nonce, tag, text] = parts.map((part) => Buffer.from(part, 'base64url'));
      if (version !== VERSION || !nonce || !tag || !text)
        throw new Error('not a sealed secret of this release');
      const decipher = createDecipheriv(ALGORITHM, key, nonce).setAAD(Buffer.from(guestId)).setAuthTag(tag);
      return Buffer.concat([decipher.update(text), decipher.final()]).toString('utf8');
    },
  };
}
