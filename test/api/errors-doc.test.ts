import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MAX_PENDING_OPERATIONS } from '../../src/core/admission.ts';
import { HTTP_STATUS } from '../../src/core/lifecycle-error.ts';
import { MAX_BODY_BYTES } from '../../src/producers/http/body.ts';
import { DEFAULT_STREAM_OPTIONS } from '../../src/producers/http/events.ts';

const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
const rows = [...text.matchAll(/^\| `(\w+)` \| (\d{3}|client) \| (.+) \| (.+) \|$/gm)];

test('docs/errors.md has every code with its status, when it comes and what to do, and no other', () => {
  const documented = Object.fromEntries(rows.map(([, code = '', status]) => [code, status]));
  const defined = Object.fromEntries(
    Object.entries(HTTP_STATUS).map(([code, status]) => [code, status === null ? 'client' : String(status)]),
  );
  expect(documented).toEqual(defined);
  expect(rows).toHaveLength(Object.keys(HTTP_STATUS).length);
});

test('the numbers in docs/errors.md are those of the code', () => {
  expect(MAX_BODY_BYTES).toBe(256 * 1024);
  expect(text).toContain('larger than 256 KiB');
  expect(MAX_PENDING_OPERATIONS).toBe(8);
  expect(DEFAULT_STREAM_OPTIONS.maxStreams).toBe(200);
  expect(text).toContain('200 event streams');
});
