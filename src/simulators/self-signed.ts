import { generateKeyPairSync, sign } from 'node:crypto';
import { isIP } from 'node:net';

/**
 * A certificate like the one a fresh Proxmox host serves: nobody's authority signed it. Node can make keys but issues no
 * certificates, so its few DER structures are written here (X.509, RFC 5280 §4.1); no package and no `openssl` is
 * needed. Good for `localhost` and the given host, for a year.
 */
export function makeCertificate(
  host: string,
  nowMs: number,
): { readonly key: string; readonly cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = sequence(set(sequence(oid(OID.commonName), utf8('simulated Proxmox VE'))));
  const toBeSigned = sequence(
    tagged(0xa0, integer(2)),
    integer(Math.floor(nowMs / 1000)),
    sequence(oid(OID.ecdsaWithSha256)),
    name,
    sequence(utcTime(nowMs - DAY_MS), utcTime(nowMs + 365 * DAY_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(
      0xa3,
      sequence(
        sequence(oid(OID.subjectAltName), octets(subjectAltNames(host))),
        // A client that pins or trusts this very certificate must find that it may sign itself.
        sequence(oid(OID.basicConstraints), boolean(true), octets(sequence(boolean(true)))),
      ),
    ),
  );
  const signature = sign('sha256', toBeSigned, privateKey);
  const der = sequence(toBeSigned, sequence(oid(OID.ecdsaWithSha256)), bits(signature));
  return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), cert: pem(der) };
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** Object identifiers, already encoded. */
const OID = {
  commonName: [0x55, 0x04, 0x03],
  subjectAltName: [0x55, 0x1d, 0x11],
  basicConstraints: [0x55, 0x1d, 0x13],
  ecdsaWithSha256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
} as const;

function subjectAltNames(host: string): Buffer {
  const dnsName = (text: string) => tagged(0x82, Buffer.from(text));
  const address = (text: string) => tagged(0x87, Buffer.from(text.split('.').map(Number)));
  const given = isIP(host) === 4 ? [address(host)] : isIP(host) === 0 ? [dnsName(host)] : [];
  return sequence(dnsName('localhost'), address('127.0.0.1'), ...given);
}

function tagged(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content), content]);
}

function lengthOf({ length }: Buffer): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  if (length < 0x100) return Buffer.from([0x81, length]);
  return Buffer.from([0x82, length >> 8, length & 0xff]);
}

const sequence = (...parts: readonly Buffer[]) => tagged(0x30, ...parts);
const set = (...parts: readonly Buffer[]) => tagged(0x31, ...parts);
const oid = (bytes: readonly number[]) => tagged(0x06, Buffer.from(bytes));
const utf8 = (text: string) => tagged(0x0c, Buffer.from(text));
const octets = (content: Buffer) => tagged(0x04, content);
const bits = (content: Buffer) => tagged(0x03, Buffer.from([0]), content);
const boolean = (value: boolean) => tagged(0x01, Buffer.from([value ? 0xff : 0]));

/** Up to 48 bits, with the leading zero byte that keeps it positive. */
function integer(value: number): Buffer {
  const bytes = Buffer.alloc(7);
  bytes.writeUIntBE(value, 1, 6);
  const first = bytes.findIndex((byte) => byte !== 0);
  const start = first < 0 ? 6 : (bytes[first] ?? 0) >= 0x80 ? first - 1 : first;
  return tagged(0x02, bytes.subarray(start));
}

/** Two-digit years: right until 2049. */
function utcTime(atMs: number): Buffer {
  const text = new Date(atMs).toISOString().replace(/[-:T]/g, '').slice(2, 14);
  return tagged(0x17, Buffer.from(`${text}Z`));
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
