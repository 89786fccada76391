import { X509Certificate } from 'node:crypto';
import { request } from 'node:https';
import { describe, expect, it } from 'vitest';
import { makeCertificate } from '../../src/simulators/self-signed.ts';
import { simulate, TOKEN } from './support.ts';

function version(url: string, tls: { readonly ca?: string; readonly rejectUnauthorized?: boolean }) {
  return new Promise<number | undefined>((resolve, reject) => {
    const headers = { authorization: `PVEAPIToken=${TOKEN}` };
    request(`${url}/api2/json/version`, { headers, ...tls, agent: false }, (reply) => {
      reply.resume().on('end', () => resolve(reply.statusCode));
    })
      .on('error', reject)
      .end();
  });
}

describe('simulated Proxmox over TLS', () => {
  it('serves a certificate nobody signed: refused unless it is trusted itself', async () => {
    const { pve } = await simulate({ tls: true });
    expect(pve.url).toMatch(/^https:/);
    await expect(version(pve.url, {})).rejects.toThrow(/self-signed certificate/);
    expect(await version(pve.url, { ca: pve.certificate ?? '' })).toBe(200);
    expect(await version(pve.url.replace('127.0.0.1', 'localhost'), { ca: pve.certificate ?? '' })).toBe(200);
    expect(await version(pve.url, { rejectUnauthorized: false })).toBe(200);
  });

  it('serves the certificate it is given', async () => {
    const given = makeCertificate('127.0.0.1', Date.now());
    const { pve } = await simulate({ tls: given });
    expect(pve.certificate).toBe(given.cert);
    expect(await version(pve.url, { ca: given.cert })).toBe(200);
    const other = makeCertificate('127.0.0.1', Date.now());
    await expect(version(pve.url, { ca: other.cert })).rejects.toThrow(/certificate/);
  });

  it('speaks plain HTTP by default', async () => {
    const { pve } = await simulate();
    expect([pve.url.startsWith('http:'), pve.certificate]).toEqual([true, undefined]);
  });

  it('goes down and comes up on the same port', async () => {
    const { pve } = await simulate({ tls: true });
    const ca = pve.certificate ?? '';
    await pve.setDown(true);
    await expect(version(pve.url, { ca })).rejects.toThrow(/ECONNREFUSED/);
    await pve.setDown(false);
    expect(await version(pve.url, { ca })).toBe(200);
  });
});

describe('a made certificate', () => {
  it('is valid for its host now, signs itself, and differs every time', () => {
    const nowMs = Date.UTC(2030, 5, 1);
    const certificate = new X509Certificate(makeCertificate('pve.example', nowMs).cert);
    expect(certificate.checkHost('pve.example')).toBe('pve.example');
    expect(certificate.checkHost('localhost')).toBe('localhost');
    expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(Date.parse(certificate.validFrom)).toBeLessThan(nowMs);
    expect(Date.parse(certificate.validTo)).toBeGreaterThan(nowMs);
    const other = new X509Certificate(makeCertificate('pve.example', nowMs).cert);
    expect(other.fingerprint256).not.toBe(certificate.fingerprint256);
  });
});
