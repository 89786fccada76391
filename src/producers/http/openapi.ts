/** The OpenAPI document, made from the routes and the very schemas that check requests. */
import { z } from 'zod';
import { HTTP_STATUS, type LifecycleErrorCode } from '../../core/lifecycle-error.ts';
import { startRequestSchema } from '../requests.ts';
import type { Reply, Route } from './route.ts';
import {
  budgetsSchema,
  costsSchema,
  errorSchema,
  eventSchema,
  meteredLineSchema,
  meteredLinesSchema,
  operationListSchema,
  operationSchema,
  providersSchema,
  sandboxListSchema,
  sandboxSchema,
  savingsSchema,
  whySchema,
} from './schemas.ts';

type Json = Readonly<Record<string, unknown>>;

/** Schemas that the document names; everything else is written where it is used. */
const NAMED: ReadonlyMap<z.ZodType, string> = new Map<z.ZodType, string>([
  [sandboxSchema, 'Sandbox'],
  [sandboxListSchema, 'SandboxList'],
  [operationSchema, 'Operation'],
  [operationListSchema, 'OperationList'],
  [whySchema, 'Why'],
  [providersSchema, 'Providers'],
  [costsSchema, 'Costs'],
  [budgetsSchema, 'Budgets'],
  [savingsSchema, 'Savings'],
  [meteredLineSchema, 'CostLine'],
  [meteredLinesSchema, 'CostLines'],
  [eventSchema, 'Event'],
  [errorSchema, 'Error'],
  [startRequestSchema, 'StartRequest'],
]);

/** What any route may answer, whatever it does. */
const COMMON_ERRORS: readonly LifecycleErrorCode[] = [
  'invalid_request',
  'unauthorized',
  'forbidden',
  'too_many_requests',
  'internal_error',
  'store_unavailable',
  'store_full',
];
const BODY_ERRORS: readonly LifecycleErrorCode[] = ['body_too_large', 'unsupported_media_type'];

export function describeApi(routes: readonly Route[]): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: describeRoute(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'cmux-lifecycle',
      version: '1',
      description:
        'Starts, pauses, resumes and destroys sandboxes for coding agents. What is asked for is an operation; a request may wait for it with `wait`.',
    },
    paths,
    components: {
      schemas: Object.fromEntries([...NAMED].map(([schema, name]) => [name, toSchema(schema, ioOf(name))])),
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
    security: [{ token: [] }],
  };
}

function describeRoute(route: Route): Json {
  const errors = [...COMMON_ERRORS, ...(route.body ? BODY_ERRORS : []), ...route.errors];
  return {
    operationId: route.name,
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    'x-role': route.role,
    parameters: [
      ...parametersOf(route.params, 'path'),
      ...parametersOf(route.query, 'query'),
      ...headersOf(route),
    ],
    ...(route.body && {
      requestBody: {
        required: !route.bodyOptional,
        content: { 'application/json': { schema: refOrSchema(route.body, 'input') } },
      },
    }),
    responses: { ...describeReplies(route.replies), ...describeErrors(errors) },
  };
}

function parametersOf(schema: z.ZodType | undefined, where: 'path' | 'query'): readonly Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = toSchema(schema, 'input') as {
    readonly properties?: Readonly<Record<string, Json>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, { description, ...property }]) => ({
    name,
    in: where,
    required: required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: property,
    // `metadata[app]=cmux`
    ...(property.type === 'object' ? { style: 'deepObject', explode: true } : {}),
  }));
}

function headersOf({ idempotent, headers = {} }: Route): readonly Json[] {
  const key = 'Two requests with one key are one: the first answer is given again for 7 days, refusals too.';
  const all = { ...(idempotent ? { 'Idempotency-Key': key } : {}), ...headers };
  return Object.entries(all).map(([name, description]) => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
  }));
}

function describeReplies(replies: Readonly<Record<number, Reply>>): Json {
  return Object.fromEntries(
    Object.entries(replies).map(([status, { description, schema, contentType, headers }]) => [
      status,
      {
        description,
        ...(headers && {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, text]) => [
              name,
              { description: text, schema: { type: 'string' } },
            ]),
          ),
        }),
        ...(schema && {
          content: { [contentType ?? 'application/json']: { schema: refOrSchema(schema, 'output') } },
        }),
      },
    ]),
  );
}

/** By status, with the codes that come with it. */
function describeErrors(codes: readonly LifecycleErrorCode[]): Json {
  const byStatus = new Map<number, string[]>();
  for (const code of new Set(codes)) {
    const status = HTTP_STATUS[code];
    if (status !== null) byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, names]) => [
      status,
      {
        description: names.join(', '),
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    ]),
  );
}

function refOrSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const name = NAMED.get(schema);
  return name === undefined ? toSchema(schema, io) : { $ref: `#/components/schemas/${name}` };
}

function ioOf(name: string): 'input' | 'output' {
  return name === 'StartRequest' ? 'input' : 'output';
}

function toSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...converted } = z.toJSONSchema(schema, {
    io,
    override: ({ zodSchema, jsonSchema }) => {
      const { def } = zodSchema._zod;
      // Left out by zod where input and output differ, although it is what a caller wants to know.
      if (def.type === 'default' && 'defaultValue' in def) jsonSchema.default = def.defaultValue as never;
      // A number that travels in a query is text only on its way.
      if (jsonSchema.type === 'integer' || jsonSchema.type === 'number') delete jsonSchema.pattern;
    },
  });
  return converted;
}
