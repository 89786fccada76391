import { createHash, randomBytes } from 'node:crypto';

/** Makes a leaked token findable by secret scanners and by eye. */
const TOKEN_PREFIX = 'cml_';
const SECRET_BYTES = 32;

/** 256 random bits: nobody guesses one, however fast they may try. */
export function createSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}

export function createTokenSecret(): string {
  return TOKEN_PREFIX + createSecret();
}

/**
 * What is stored in place of a secret, and what it is looked up by. One round of SHA-256 is right here: slow
 * hashes (argon2, bcrypt) protect what people think up, from which a dictionary leads back; 256 random bits
 * have no dictionary, and a slow hash on every request would only help whoever floods us. Looking up by
 * digest also leaves no comparison whose duration could tell anything.
 */
export function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}
