/** The HTTP API as one app, to be mounted behind the access check. */
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { LifecycleError } from '../../core/lifecycle-error.ts';
import type { Logger } from '../../platform/log.ts';
import type { EventLog } from '../../store/event-log.ts';
import type { AccessEnv } from '../access/access-env.ts';
import type { AutomationService } from '../automation-service.ts';
import type { LifecycleService } from '../lifecycle-service.ts';
import { type AccessReader, accessRoutes } from './access-routes.ts';
import { activityRoutes } from './activity.ts';
import { automationRoutes } from './automation.ts';
import { MAX_BODY_BYTES } from './body.ts';
import { budgetRoutes } from './budgets.ts';
import { costLineRoutes } from './cost-lines.ts';
import { costRoutes } from './costs.ts';
import { answerError } from './errors.ts';
import { type EventStreamOptions, eventRoutes } from './events.ts';
import { describeApi } from './openapi.ts';
import { operationRoutes } from './operations.ts';
import { providerRoutes } from './providers.ts';
import type { Route } from './route.ts';
import { sandboxChangeRoutes } from './sandbox-changes.ts';
import { sandboxRoutes } from './sandboxes.ts';
import { type SweepsApi, sweepRoutes } from './sweeps.ts';
import { type WebhookReader, webhookRoutes } from './webhook-routes.ts';

export interface ApiDeps {
  readonly service: LifecycleService;
  readonly events: EventLog;
  readonly webhook: WebhookReader;
  readonly sweeps: SweepsApi;
  readonly automation: AutomationService;
  readonly access: AccessReader;
  readonly log: Logger;
}

/**
 * Whoever mounts it puts the access check before it, which leaves `principal` behind. Every answer under /v1
 * is JSON, errors in the one documented shape, and no error but ours is ever passed on.
 */
export function createApi(
  { service, events, webhook, sweeps, automation, access, log }: ApiDeps,
  streams?: EventStreamOptions,
): Hono<AccessEnv> {
  const routes = [
    ...sandboxRoutes(service),
    ...sandboxChangeRoutes(service),
    ...operationRoutes(service),
    ...eventRoutes({ service, events, log }, streams),
    ...providerRoutes(service),
    ...costRoutes(service),
    ...budgetRoutes(service),
    ...costLineRoutes(service),
    ...webhookRoutes(webhook),
    ...sweepRoutes(sweeps),
    ...activityRoutes(service.activity),
    ...automationRoutes(automation),
    ...accessRoutes(access),
  ];
  return serveRoutes(routes, log);
}

/** The routes with everything around them: bounds on bodies, the document, errors in the one shape. */
export function serveRoutes(routes: readonly Route[], log: Logger): Hono<AccessEnv> {
  const document = describeApi(routes);
  const api = new Hono<AccessEnv>();
  api.onError((error, context) => answerError(context, error, log));
  api.use(
    '/v1/*',
    bodyLimit({ maxSize: MAX_BODY_BYTES, onError: (context) => answerError(context, tooLarge(), log) }),
  );
  for (const route of routes) {
    api.on(route.method, route.path.replace(/\{(\w+)\}/g, ':$1'), (context) => route.respond(context));
  }
  api.get('/openapi.json', (context) => context.json(document));
  api.all('/v1/*', (context) => {
    const allowed = methodsFor(routes, context.req.path);
    if (allowed.length === 0) throw unknownRoute(context.req.path);
    context.header('Allow', allowed.join(', '));
    throw wrongMethod(context.req.method, allowed);
  });
  return api;
}

function methodsFor(routes: readonly Route[], path: string): readonly string[] {
  return routes.filter((route) => pathMatches(route.path, path)).map(({ method }) => method);
}

function pathMatches(pattern: string, path: string): boolean {
  const wanted = pattern.split('/');
  const given = path.split('/');
  return (
    wanted.length === given.length &&
    wanted.every((part, at) => (part.startsWith('{') ? given[at] !== '' : part === given[at]))
  );
}

function tooLarge(): LifecycleError {
  return new LifecycleError({
    code: 'body_too_large',
    message: `a request body has at most ${MAX_BODY_BYTES} bytes`,
    retryable: false,
  });
}

function unknownRoute(path: string): LifecycleError {
  return new LifecycleError({
    code: 'not_found',
    message: `there is no ${path.slice(0, 200)}`,
    remediation: 'GET /openapi.json lists every route.',
    retryable: false,
  });
}

function wrongMethod(method: string, allowed: readonly string[]): LifecycleError {
  return new LifecycleError({
    code: 'method_not_allowed',
    message: `${method} is not for this path; use ${allowed.join(' or ')}`,
    retryable: false,
  });
}
