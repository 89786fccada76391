/**
 * Requests made up from the OpenAPI document, right ones and wrong ones. `API_RUNS=10000` asks more of it; a
 * failure prints the seed and the request.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PRESET } from '../support/system.ts';
import { expectError, startTestApi, type TestApi } from './support.ts';

const RUNS = Number(process.env.API_RUNS ?? 1_000);

let api: TestApi;
let document: Document;
let known: readonly string[];

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
}

interface Described {
  readonly operationId: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly schema: Schema;
  }[];
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: Schema } } };
  readonly responses: Readonly<Record<string, unknown>>;
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

beforeAll(async () => {
  // Nobody carries anything out: what is accepted stays queued, and the answers are what is looked at.
  api = await startTestApi({ workers: false });
  const { deployment } = api.test.system.store;
  const { presets, routing, timing } = api.test.options;
  await deployment.publishSettings({ presets, routing, startDeadlineMs: timing.startDeadlineMs });
  for (const provider of ['pve-vm', 'morph'] as const) {
    await deployment.publishStatus({
      ...{ provider, preservesRam: true, failureDomain: provider, simulated: true, healthy: true },
      ...{ detail: 'made up', breaker: 'closed' as const, publishedAtMs: Date.now() },
    });
  }
  document = (await api.call('GET', '/openapi.json')).body;
  const { body } = await api.call('POST', '/v1/sandboxes', { body: { preset: PRESET } });
  known = [body.id, body.sandboxId];
});
afterAll(() => api.close());

test('the document describes every route, and the routes exist', async () => {
  expect(document.openapi).toBe('3.1.0');
  const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(routes.sort()).toEqual(
    [
      'GET /v1/costs',
      'GET /v1/budgets',
      'GET /v1/costs/lines',
      'POST /v1/costs/lines',
      'GET /v1/costs/savings',
      'GET /v1/events',
      'GET /v1/operations',
      'GET /v1/operations/{id}',
      'GET /v1/providers',
      'GET /v1/webhooks/dead',
      'GET /v1/audit',
      'GET /v1/sweeps',
      'GET /v1/automation',
      'GET /v1/guests',
      'POST /v1/automation',
      'GET /v1/tokens',
      'POST /v1/sweeps/{name}',
      'POST /v1/tokens',
      'DELETE /v1/tokens/{name}',
      'DELETE /v1/sandboxes/{id}',
      'GET /v1/sandboxes',
      'GET /v1/sandboxes/{id}',
      'GET /v1/sandboxes/{id}/why',
      'GET /v1/sandboxes/{id}/secrets',
      'POST /v1/activity',
      'POST /v1/sandboxes',
      'POST /v1/sandboxes/{id}/activity',
      'POST /v1/sandboxes/{id}/heartbeat',
      'POST /v1/sandboxes/{id}/pause',
      'POST /v1/sandboxes/{id}/protection',
      'POST /v1/sandboxes/{id}/resume',
      'POST /v1/sandboxes/{id}/ttl',
    ].sort(),
  );
  const references = JSON.stringify(document).match(/#\/components\/schemas\/\w+/g) ?? [];
  for (const reference of references) {
    expect(document.components.schemas).toHaveProperty(reference.split('/').at(-1) ?? '');
  }
  expect(
    document.paths['/v1/sandboxes']?.get?.parameters.find(({ name }) => name === 'limit')?.schema,
  ).toEqual({
    type: 'integer',
    minimum: 1,
    maximum: 200,
    default: 50,
  });
});

const junk: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    '',
    null,
    -1,
    1e21,
    '\u0000',
    '../../x',
    '%',
    '💥',
    '__proto__',
    'a'.repeat(300),
    [],
    {},
  ),
  fc.jsonValue({ maxDepth: 3 }),
);

/** @param part what is made from the parts of an object */
function fitting(
  schema: Schema,
  part: (schema: Schema) => fc.Arbitrary<unknown> = messed,
): fc.Arbitrary<unknown> {
  if (schema.$ref)
    return fitting(document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {}, part);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => fitting(one, part)));
  switch (schema.type) {
    case 'object': {
      const named = Object.entries(schema.properties ?? {}).map(([name, property]) => [
        name,
        /provider/i.test(name) && part === tidy
          ? fc.constantFrom('pve-vm', 'proxmox-kvm', 'morph')
          : part(property),
      ]);
      if (named.length === 0)
        return fc.dictionary(fc.string({ maxLength: 10 }), fc.string({ maxLength: 10 }));
      const record = fc.record(Object.fromEntries(named) as Record<string, fc.Arbitrary<unknown>>, {
        requiredKeys: [...(schema.required ?? [])],
      });
      // Left to chance, hardly any start would name a preset that exists and no sources besides.
      if (!('preset' in (schema.properties ?? {}))) return record;
      return fc.oneof(
        record,
        record.map(({ sources: _sources, ...rest }) => ({ ...rest, preset: PRESET })),
        fc.constant({ preset: PRESET }),
      );
    }
    case 'array':
      return fc.array(fitting(schema.items ?? {}, part), { maxLength: 3 });
    case 'integer':
    case 'number':
      return fc.integer({ min: schema.minimum ?? 0, max: Math.min(schema.maximum ?? 100, 1_000_000) });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.oneof(fc.constantFrom(...known), fc.constantFrom(...known), fc.string({ maxLength: 20 }));
  }
}

function messed(schema: Schema): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 12, arbitrary: fitting(schema) }, { weight: 1, arbitrary: junk });
}

interface MadeUp {
  readonly route: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly raw?: string;
  readonly described: Described;
}

/** Every part right, as far as the document says what is. */
function tidy(schema: Schema): fc.Arbitrary<unknown> {
  return fitting(schema, tidy);
}

function requestFor(
  path: string,
  method: string,
  described: Described,
  part: (schema: Schema) => fc.Arbitrary<unknown>,
): fc.Arbitrary<MadeUp> {
  const values = described.parameters.map(({ name, in: where, required, schema }) => {
    // Nothing here ever settles: a long wait would only be waited for.
    const value =
      name === 'wait'
        ? fc.constantFrom('0', '0.01', ...(part === tidy ? [] : ['91', 'x']))
        : name === 'Idempotency-Key' && part === tidy
          ? fc.uuid()
          : part(schema);
    return required ? value : fc.option(value, { nil: undefined, freq: where === 'header' ? 2 : 1 });
  });
  const body = described.requestBody?.content['application/json'].schema;
  const raw: fc.Arbitrary<string | undefined> = body
    ? fc.oneof(
        { weight: 8, arbitrary: part(body).map((value) => JSON.stringify(value)) },
        { weight: 1, arbitrary: fc.string() },
        { weight: 1, arbitrary: fc.constant(undefined) },
      )
    : fc.constantFrom(undefined, undefined, undefined, '{}');
  const type = fc.oneof(
    { weight: 9, arbitrary: fc.constant('application/json') },
    { weight: 1, arbitrary: fc.constantFrom('text/plain', 'application/json; charset=utf-8', 'nonsense') },
  );
  return fc.tuple(fc.tuple(...values), raw, type).map(([given, text, contentType]) => {
    const headers: Record<string, string> = text === undefined ? {} : { 'content-type': contentType };
    let url = path;
    const query: string[] = [];
    for (const [at, parameter] of described.parameters.entries()) {
      const value = given[at];
      if (value === undefined) continue;
      const shown = typeof value === 'string' ? value : JSON.stringify(value);
      if (parameter.in === 'path') url = url.replace(`{${parameter.name}}`, encodeURIComponent(shown) || 'x');
      else if (parameter.in === 'query') query.push(`${parameter.name}=${encodeURIComponent(shown)}`);
      else headers[parameter.name] = shown.replace(/[^\x20-\x7e]/g, '?').trim();
    }
    const suffix = query.length > 0 ? `?${query.join('&')}` : '';
    const sent = method === 'get' ? undefined : text;
    return {
      route: path,
      method: method.toUpperCase(),
      url: url + suffix,
      headers,
      described,
      ...(sent === undefined ? {} : { raw: sent }),
    };
  });
}

test(`${RUNS} requests made up from the document are answered as it says, and never with a crash`, {
  timeout: 600_000,
}, async () => {
  const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    // A stream has no end; its own tests read it.
    path === '/v1/events'
      ? []
      : Object.entries(methods).flatMap(([method, described]) =>
          [messed, tidy].map((part) => requestFor(path, method, described, part)),
        ),
  );
  const seen = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(fc.oneof(...routes), async ({ route, method, url, headers, raw, described }) => {
      const answer = await api.call(method, url, { headers, ...(raw === undefined ? {} : { raw }) });
      seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
      expect(answer.status, `${method} ${url}: ${JSON.stringify(answer.body)}`).toBeLessThan(600);
      expect(answer.status).not.toBe(500);
      // `{id}` may have been made into another path altogether.
      if (answer.status !== 404 && answer.status !== 405) {
        expect(Object.keys(described.responses), `${method} ${route}`).toContain(String(answer.status));
      }
      // 204 has no body.
      const text = JSON.stringify(answer.body) ?? '';
      expect(text).not.toMatch(/\\n\s+at |node_modules|\.ts:\d+/);
      if (answer.status >= 400) expectError(answer, answer.status, answer.body.code);
    }),
    { numRuns: RUNS },
  );
  expect(api.crashes).toEqual([]);
  // A generator that only makes nonsense would prove nothing.
  for (const status of [200, 202, 400, 404])
    expect(seen.get(status) ?? 0, `status ${status}`).toBeGreaterThan(RUNS / 200);
});
