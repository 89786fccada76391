/**
 * A route of the API, described once: what it takes, what it answers and who may call it. The handler gets
 * only what was checked; the OpenAPI document is made from the same description.
 *
 * Path, query, headers and body are checked together, so that a caller hears of all problems at once.
 */
import type { z } from 'zod';
import { LifecycleError, type LifecycleErrorCode } from '../../core/lifecycle-error.ts';
import { holdsRole, type PrincipalRole } from '../../core/principal.ts';
import type { Caller, ChangeRequest } from '../lifecycle-service.ts';
import { idempotencyKey as idempotencyKeySchema, invalidRequest } from '../requests.ts';
import type { ApiContext } from './api-context.ts';
import { readJsonBody } from './body.ts';
import { groupQuery } from './query.ts';

export interface Reply {
  readonly description: string;
  readonly schema?: z.ZodType;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

type Checked<T extends z.ZodType | undefined> = T extends z.ZodType ? z.output<T> : undefined;

export interface RouteInput<
  P extends z.ZodType | undefined,
  Q extends z.ZodType | undefined,
  B extends z.ZodType | undefined,
> {
  readonly params: Checked<P>;
  readonly query: Checked<Q>;
  readonly body: Checked<B>;
  readonly caller: Caller;
  /** For whatever changes something. */
  readonly change: (expectTeamId?: string) => ChangeRequest;
  readonly context: ApiContext;
}

export interface RouteSpec<
  P extends z.ZodType | undefined,
  Q extends z.ZodType | undefined,
  B extends z.ZodType | undefined,
> {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** `/v1/sandboxes/{id}` */
  readonly path: string;
  /** Its name in generated clients. */
  readonly name: string;
  readonly summary: string;
  readonly description?: string;
  readonly role: PrincipalRole;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** The body may be left out altogether. */
  readonly bodyOptional?: boolean;
  /** Takes an `Idempotency-Key`. */
  readonly idempotent?: boolean;
  /** Other headers it reads, for the document. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly replies: Readonly<Record<number, Reply>>;
  /** Beyond what every route may answer. */
  readonly errors: readonly LifecycleErrorCode[];
  handle(input: RouteInput<P, Q, B>): Promise<Response> | Response;
}

/** A route without its type parameters: what the app and the document need. */
export interface Route
  extends Omit<RouteSpec<undefined, undefined, undefined>, 'handle' | 'params' | 'query' | 'body'> {
  readonly params?: z.ZodType | undefined;
  readonly query?: z.ZodType | undefined;
  readonly body?: z.ZodType | undefined;
  respond(context: ApiContext): Promise<Response>;
}

export function defineRoute<
  P extends z.ZodType | undefined = undefined,
  Q extends z.ZodType | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
>(spec: RouteSpec<P, Q, B>): Route {
  const { handle, ...described } = spec;
  return {
    ...described,
    async respond(context) {
      const { name, role, teamId } = requireRole(context, spec.role);
      const caller: Caller = { name, ...(teamId === undefined ? {} : { teamId }) };
      const checked = await check(context, described);
      const input = {
        ...checked,
        caller,
        change: (expectTeamId?: string): ChangeRequest => ({
          caller,
          idempotencyKey: checked.idempotencyKey,
          expectTeamId,
        }),
        context,
        role,
      };
      // `check` returned what the schemas of this very description let through.
      return handle(input as unknown as RouteInput<P, Q, B>);
    },
  };
}

function requireRole(context: ApiContext, role: PrincipalRole) {
  const { principal } = context.var;
  if (holdsRole(principal, role)) return principal;
  throw new LifecycleError({
    code: 'forbidden',
    message: `${principal.name} is a ${principal.role}; this needs a token of role ${role}`,
    retryable: false,
  });
}

type Described = Pick<Route, 'params' | 'query' | 'body' | 'bodyOptional' | 'idempotent'>;

async function check(context: ApiContext, route: Described) {
  const problems: string[] = [];

  function part(where: string, schema: z.ZodType | undefined, value: unknown): unknown {
    if (schema === undefined) return undefined;
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    for (const { path, message } of parsed.error.issues) {
      problems.push(`${[...(where === '' ? [] : [where]), ...path].join('.') || 'request'}: ${message}`);
    }
    return undefined;
  }

  const params = part('', route.params, context.req.param());
  const grouped = groupQuery(context.req.queries(), problems);
  if (route.query === undefined && Object.keys(grouped).length > 0) {
    problems.push(`query: this takes no parameters, and got ${Object.keys(grouped).join(', ')}`);
  }
  const query = part('', route.query, grouped);
  const key = context.req.header('idempotency-key');
  const idempotencyKey =
    route.idempotent && key !== undefined ? part('Idempotency-Key', idempotencyKeySchema, key) : undefined;
  const read = await readJsonBody(context, {
    takes: route.body !== undefined,
    optional: route.bodyOptional ?? false,
  });
  if ('problem' in read) problems.push(read.problem);
  const body = 'problem' in read ? undefined : part('', route.body, read.value);
  if (problems.length > 0) throw invalidRequest(problems);
  return { params, query, body, idempotencyKey: idempotencyKey as string | undefined };
}
