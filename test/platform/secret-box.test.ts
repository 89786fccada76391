import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSecretBox } from '../../src/platform/secret-box.ts';

const box = createSecretBox(randomBytes(32).toString('hex'));

test('what was sealed opens again, and shows nothing of itself', () => {
  fc.assert(
    fc.property(fc.string(), fc.string({ minLength: 8 }), (guestId, secret) => {
      const sealed = box.seal(guestId, secret);
      expect(sealed).not.toContain(secret);
      expect(box.open(guestId, sealed)).toBe(secret);
    }),
  );
});

test('a sealed secret does not open for another guest, under another key, or changed', () => {
  const sealed = box.seal('pvelxc-1', 'token');
  expect(() => box.open('pvelxc-2', sealed)).toThrow();
  expect(() => createSecretBox(randomBytes(32).toString('hex')).open('pvelxc-1', sealed)).toThrow();
  expect(() => box.open('pvelxc-1', `${sealed.slice(0, -4)}AAAA`)).toThrow();
  expect(() => box.open('pvelxc-1', 'v2.a.b.c')).toThrow('not a sealed secret');
});
