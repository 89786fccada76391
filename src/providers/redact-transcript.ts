/**
 * Takes out of a provider's requests and replies what must not leave the house: secrets, tokens, addresses, users.
 * What takes its place has the same shape (an address of the documentation's range, a host in `.invalid`), and is
 * the same for the same value throughout, so that a transcript can still be read, and played back.
 *
 * Two nets: values whose field says what they are, and texts that look like something. It is made for Proxmox and
 * Morph, and for what cmux writes into guests; names of nodes, storages and guests stay. Read a transcript before
 * you give it away.
 */
import { isIPv4, isIPv6 } from 'node:net';

export interface Redactor {
  text(text: string): string;
  /** Any JSON value, keys untouched. */
  value(value: unknown): unknown;
  /** A URL's path, part by part. */
  path(path: string): string;
}

/** Fields whose value is a secret, whatever it looks like. */
const SECRET_FIELD =
  /passw|secret|token|credential|authorization|cookie|ticket|api[_-]?key|^key$|sshkeys|private|CSRF/i;
/** Fields that say who or where the owner is. */
const PERSONAL_FIELD = /^(userid|user|ciuser|email|searchdomain|comment)$/i;
/** Of a caller's metadata only what we wrote ourselves is known to be harmless. */
const OWN_METADATA = /^cmuxLifecycle\./;

/** @param secrets replaced wherever they turn up, as they are or encoded for a URL */
export function createRedactor(secrets: readonly string[]): Redactor {
  const known = secrets
    .filter((secret) => secret !== '')
    .flatMap((secret) => [secret, encodeURIComponent(secret)])
    .toSorted((a, b) => b.length - a.length);
  const replaced = new Map<string, string>();
  const counts = new Map<string, number>();

  function standIn(kind: string, original: string, shape: (count: number) => string): string {
    const key = `${kind} ${original}`;
    const before = replaced.get(key);
    if (before !== undefined) return before;
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    const made = shape(count);
    replaced.set(key, made);
    return made;
  }

  const secret = (original: string) => standIn('secret', original, (count) => `redacted-secret-${count}`);
  const personal = (original: string) => standIn('value', original, (count) => `redacted-${count}`);

  function text(original: string): string {
    let out = original;
    for (const each of known) out = out.replaceAll(each, secret(each));
    for (const { kind, pattern, shape, applies } of PATTERNS) {
      out = out.replace(pattern, (match) =>
        applies?.(match) === false ? match : standIn(kind, match, (count) => shape(count, match)),
      );
    }
    return out.replace(
      ASSIGNED_SECRET,
      (_, before: string, assigned: string) => before + (isStandIn(assigned) ? assigned : secret(assigned)),
    );
  }

  function value(original: unknown, field = ''): unknown {
    if (typeof original === 'string') return fieldText(field, original);
    if (typeof original === 'number') return SECRET_FIELD.test(field) ? secret(String(original)) : original;
    if (Array.isArray(original)) return original.map((each) => value(each, field));
    if (typeof original !== 'object' || original === null) return original;
    const entries = Object.entries(original).map(([name, each]) => {
      const isForeign = field === 'metadata' && !OWN_METADATA.test(name) && typeof each === 'string';
      return [name, isForeign ? personal(each) : value(each, name)];
    });
    return Object.fromEntries(entries);
  }

  function fieldText(field: string, original: string): string {
    if (SECRET_FIELD.test(field)) return secret(original);
    if (PERSONAL_FIELD.test(field) && original !== '') return personal(original);
    if (field === 'env') return environment(original);
    return text(original);
  }

  /** `NAME=value`, joined by NUL: names stay. */
  function environment(original: string): string {
    const entries = original.split('\0').map((entry) => {
      const [, name, each] = /^(\w+)=(.*)$/s.exec(entry) ?? [];
      return name === undefined || each === undefined ? secret(entry) : `${name}=${secret(each)}`;
    });
    return entries.join('\0');
  }

  return {
    text,
    value: (original) => value(original),
    path: (original) => {
      const parts = original.split('/').map((part) => {
        const plain = decode(part);
        const clean = text(plain);
        return clean === plain ? part : encodeURIComponent(clean);
      });
      return parts.join('/');
    },
  };
}

interface Pattern {
  readonly kind: string;
  readonly pattern: RegExp;
  readonly shape: (count: number, match: string) => string;
  /** For what a regular expression alone cannot tell. */
  readonly applies?: (match: string) => boolean;
}

/** In this order: a URL's host before the address in it, a MAC before it is taken for half an IPv6 address. */
const PATTERNS: readonly Pattern[] = [
  {
    kind: 'pem',
    pattern: /-----BEGIN[\s\S]+?-----END [^-]+-----/g,
    shape: (count) => `redacted-pem-${count}`,
  },
  {
    kind: 'ssh key',
    pattern: /\b(ssh-\w+|ecdsa-[\w-]+)(\s|%20)+[\w+/=%]{20,}/g,
    shape: (count) => `ssh-ed25519 redacted-key-${count}`,
  },
  {
    kind: 'host',
    pattern: /(?<=\bhttps?:\/\/)[^\s/?#"',]+/g,
    shape: (count) => `host-${count}.invalid`,
  },
  {
    kind: 'user',
    pattern: /\b[\w.+-]+@[\w.-]+(![\w.-]+)?/g,
    shape: (count, match) => `user-${count}@pve${match.includes('!') ? '!token' : ''}`,
  },
  {
    kind: 'uuid',
    pattern: /\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi,
    shape: (count) => `00000000-0000-4000-8000-${String(count).padStart(12, '0')}`,
  },
  {
    kind: 'hex secret',
    pattern: /\b[0-9a-f]{64,}\b/gi,
    shape: (count, match) => count.toString(16).padStart(match.length, '0'),
  },
  {
    kind: 'mac',
    pattern: /\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b/gi,
    shape: (count) => `02:00:00:00:${byte(count >> 8)}:${byte(count)}`,
  },
  {
    kind: 'address',
    pattern: /\b\d{1,3}(\.\d{1,3}){3}\b/g,
    shape: (count) => (count < 255 ? `192.0.2.${count}` : `198.51.100.${count % 255}`),
    applies: isIPv4,
  },
  {
    kind: 'address 6',
    pattern: /(?<![\w:])[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}(?![\w:])/gi,
    shape: (count) => `2001:db8::${count.toString(16)}`,
    applies: isIPv6,
  },
];

/** `cmux-execd-auth-token=…` in a description, `password: …` in a message. */
const ASSIGNED_SECRET = /((?:token|secret|passw\w*|api[_-]?key|authorization)["']?\s*[=:]\s*)([^\s"',;&]+)/gi;

function isStandIn(text: string): boolean {
  return text.startsWith('redacted-');
}

function byte(count: number): string {
  return (count & 0xff).toString(16).padStart(2, '0');
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
