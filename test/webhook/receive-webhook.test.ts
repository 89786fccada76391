import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { signContent } from '../../src/platform/webhook-signature.ts';
import { verifyWebhook, type WebhookErrorCode } from '../../src/producers/webhook/receive-webhook.ts';
import { PREVIOUS_SECRET, SECRET } from '../support/webhook.ts';

const NOW_MS = 1_795_000_000_000;
const TIMESTAMP = String(NOW_MS / 1_000);
const BODY = JSON.stringify({ id: 'sbx-1-7', type: 'sandbox.changed', sequence: 7, sandboxId: 'sbx-1' });

async function signed(secrets: readonly string[], changes: Readonly<Record<string, string>> = {}) {
  const signature = await signContent({ id: 'sbx-1-7', timestamp: TIMESTAMP, body: BODY }, secrets);
  return new Headers({
    'webhook-id': 'sbx-1-7',
    'webhook-timestamp': TIMESTAMP,
    'webhook-signature': signature,
    ...changes,
  });
}

const verify = (headers: Headers, secrets: readonly string[], body = BODY, nowMs = NOW_MS) =>
  verifyWebhook({ headers, body }, { secrets, nowMs });

interface Case {
  readonly signedWith?: readonly string[];
  readonly known?: readonly string[];
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly nowMs?: number;
}

const refusal = (code: WebhookErrorCode) => expect.objectContaining({ name: 'WebhookError', code });

describe('a signature', () => {
  it('is HMAC-SHA256 over id, timestamp and body, as standardwebhooks.com has it', async () => {
    const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
    const expected = createHmac('sha256', key).update(`sbx-1-7.${TIMESTAMP}.${BODY}`).digest('base64');
    expect((await signed([SECRET])).get('webhook-signature')).toBe(`v1,${expected}`);
  });

  it.each([
    [
      'the sender rotates first: the receiver knows only the old secret',
      [SECRET, PREVIOUS_SECRET],
      [PREVIOUS_SECRET],
    ],
    ['the sender has both: the receiver knows only the new one', [SECRET, PREVIOUS_SECRET], [SECRET]],
    [
      'the receiver rotates first: it knows both, the sender only the old one',
      [PREVIOUS_SECRET],
      [SECRET, PREVIOUS_SECRET],
    ],
    ['nobody rotates', [SECRET], [SECRET]],
  ])('is accepted while %s', async (_title, sender, receiver) => {
    await expect(verify(await signed(sender), receiver)).resolves.toMatchObject({ sequence: 7 });
  });

  it.each<[string, WebhookErrorCode, Case]>([
    ['another secret', 'bad_signature', { signedWith: ['somebody-elses-secret'] }],
    ['no secret known', 'bad_signature', { known: [] }],
    ['another body', 'bad_signature', { body: BODY.replace('7', '8') }],
    ['another id', 'bad_signature', { headers: { 'webhook-id': 'sbx-1-8' } }],
    ['no signature', 'bad_signature', { headers: { 'webhook-signature': '' } }],
    ['what is no base64', 'bad_signature', { headers: { 'webhook-signature': 'v1,!!' } }],
    ['a version of the future', 'bad_signature', { headers: { 'webhook-signature': 'v2,AAAA' } }],
    ['a timestamp that is no number', 'bad_timestamp', { headers: { 'webhook-timestamp': 'now' } }],
    ['a replay after more than five minutes', 'bad_timestamp', { nowMs: NOW_MS + 300_001 }],
    ['a time more than five minutes ahead', 'bad_timestamp', { nowMs: NOW_MS - 300_001 }],
  ])('is refused with %s', async (_title, code, { signedWith = [SECRET], known = [SECRET], ...rest }) => {
    const headers = await signed(signedWith, rest.headers);
    await expect(verify(headers, known, rest.body, rest.nowMs)).rejects.toEqual(refusal(code));
  });

  it('is accepted exactly five minutes late', async () => {
    await expect(verify(await signed([SECRET]), [SECRET], BODY, NOW_MS + 300_000)).resolves.toBeDefined();
  });

  it('is refused when a header is missing, which is named', async () => {
    await expect(verify(new Headers(), [SECRET])).rejects.toEqual(refusal('missing_header'));
  });

  it('is refused when the signed body is no event', async () => {
    const body = '[]';
    const signature = await signContent({ id: 'x', timestamp: TIMESTAMP, body }, [SECRET]);
    const headers = new Headers({
      'webhook-id': 'x',
      'webhook-timestamp': TIMESTAMP,
      'webhook-signature': signature,
    });
    await expect(verify(headers, [SECRET], body)).rejects.toEqual(refusal('bad_body'));
  });
});

it('the receiver’s half imports nothing but our own files, so that it runs in Convex', () => {
  const seen = new Set<string>();
  const visit = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    const code = readFileSync(file, 'utf8');
    // Type-only imports are gone at run time.
    for (const [, type, path = ''] of code.matchAll(/^(?:import|export) (type )?[^'"]*from '([^']+)'/gm)) {
      if (type) continue;
      expect(path, `${file} imports it`).toMatch(/^\.\.?\//);
      visit(join(dirname(file), path));
    }
  };
  visit(fileURLToPath(new URL('../../src/producers/webhook/receive-webhook.ts', import.meta.url)));
  expect(seen.size).toBe(2);
});
