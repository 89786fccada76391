/** What an admin does about access: tokens, and who changed what. */
import { z } from 'zod';
import { ROLES } from '../../core/principal.ts';
import type { AccessToken } from '../../store/access.ts';
import type { AuditLog } from '../../store/audit.ts';
import { type Tokens, tokenRequestSchema } from '../access/tokens.ts';
import { wholeNumber } from './query.ts';
import { defineRoute, type Route } from './route.ts';

export interface AccessReader {
  readonly tokens: Pick<Tokens, 'create' | 'list' | 'revoke'>;
  readonly audit: AuditLog;
}

const MAX_AUDIT_ENTRIES = 500;

const tokenSchema = z.object({
  name: z.string(),
  role: z.enum(ROLES),
  teamId: z.string().exactOptional(),
  createdAtMs: z.int(),
  createdBy: z.string(),
});

export function accessRoutes({ tokens, audit }: AccessReader): readonly Route[] {
  return [listTokens(tokens), createToken(tokens), revokeToken(tokens), readAudit(audit)];
}

function listTokens(tokens: AccessReader['tokens']): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/tokens',
    name: 'listTokens',
    summary: 'Access tokens, without their secrets',
    role: 'admin',
    replies: { 200: { description: 'Every token.', schema: z.object({ tokens: z.array(tokenSchema) }) } },
    errors: [],
    async handle({ context }) {
      return context.json({ tokens: (await tokens.list()).map(viewToken) });
    },
  });
}

function createToken(tokens: AccessReader['tokens']): Route {
  return defineRoute({
    method: 'POST',
    path: '/v1/tokens',
    name: 'createToken',
    summary: 'Make an access token',
    description: 'Its secret is in this answer and nowhere else.',
    role: 'admin',
    body: tokenRequestSchema,
    replies: {
      201: { description: 'The token with its secret.', schema: tokenSchema.extend({ secret: z.string() }) },
    },
    errors: ['wrong_state'],
    async handle({ body, caller, context }) {
      const { secret, ...token } = await tokens.create(body, caller.name);
      return context.json({ ...viewToken(token), secret }, 201);
    },
  });
}

function revokeToken(tokens: AccessReader['tokens']): Route {
  return defineRoute({
    method: 'DELETE',
    path: '/v1/tokens/{name}',
    name: 'revokeToken',
    summary: 'Revoke an access token, and end its sessions',
    role: 'admin',
    params: z.strictObject({ name: z.string().min(1).max(200) }),
    replies: { 204: { description: 'It opens nothing any more.' } },
    errors: ['not_found', 'wrong_state'],
    async handle({ params, context }) {
      await tokens.revoke(params.name);
      return context.body(null, 204);
    },
  });
}

function readAudit(audit: AuditLog): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/audit',
    name: 'readAudit',
    summary: 'Who changed what, from where; newest first, refused requests included',
    role: 'admin',
    query: z.strictObject({
      limit: wholeNumber({ min: 1, max: MAX_AUDIT_ENTRIES, initial: 100 }),
      cursor: z
        .string()
        .regex(/^\d+-\d+$/, 'take the cursor of an earlier page')
        .exactOptional(),
    }),
    replies: {
      200: {
        description: 'One page.',
        schema: z.object({
          entries: z.array(
            z.object({
              id: z.string(),
              atMs: z.int(),
              who: z.string(),
              role: z.string(),
              what: z.string(),
              from: z.string(),
              status: z.int(),
            }),
          ),
          cursor: z.string().exactOptional(),
        }),
      },
    },
    errors: [],
    async handle({ query, context }) {
      return context.json(await audit.read(query));
    },
  });
}

function viewToken({ name, role, teamId, createdAtMs, createdBy }: AccessToken) {
  return { name, role, ...(teamId === undefined ? {} : { teamId }), createdAtMs, createdBy };
}
