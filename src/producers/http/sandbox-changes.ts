import { z } from 'zod';
import { viewSandbox } from '../../core/views.ts';
import type { LifecycleService } from '../lifecycle-service.ts';
import { pauseSchema, protectionSchema, resumeSchema, text, ttlSchema } from '../requests.ts';
import { answerOperation } from './answer-operation.ts';
import { wait } from './query.ts';
import { defineRoute, type Route } from './route.ts';
import { ACCEPTED, OPERATION_ERRORS, SANDBOX_PATH, sandboxId } from './sandboxes.ts';
import { resumedSandboxSchema, sandboxSchema } from './schemas.ts';

const expectTeamId = text
  .exactOptional()
  .describe('Answered as 404 when the sandbox belongs to another team.');
const waitQuery = z.strictObject({ wait, expectTeamId });
const teamQuery = z.strictObject({ expectTeamId });

export function sandboxChangeRoutes(service: LifecycleService): readonly Route[] {
  return [pauseRoute(service), resumeRoute(service), ttlRoute(service), protectionRoute(service)];
}

function pauseRoute(service: LifecycleService): Route {
  return defineRoute({
    method: 'POST',
    path: `${SANDBOX_PATH}/pause`,
    name: 'pauseSandbox',
    summary: 'Pause a sandbox, memory included',
    description: 'Where the provider cannot keep memory it is refused, unless requiresRamSnapshot is false.',
    role: 'operator',
    idempotent: true,
    params: sandboxId,
    query: waitQuery,
    body: pauseSchema,
    bodyOptional: true,
    replies: { 200: { description: 'It is paused.', schema: sandboxSchema }, 202: ACCEPTED },
    errors: [
      ...OPERATION_ERRORS,
      ...(['not_found', 'wrong_state', 'too_many_operations', 'ram_snapshot_unsupported'] as const),
      ...(['sandbox_ended', 'sandbox_lost', 'sandbox_stuck'] as const),
    ],
    async handle({ params, query, body, change, caller, context }) {
      const operation = await service.pause(params.id, body, change(query.expectTeamId));
      return answerOperation(service, operation, { context, caller, waitSeconds: query.wait });
    },
  });
}

function resumeRoute(service: LifecycleService): Route {
  return defineRoute({
    method: 'POST',
    path: `${SANDBOX_PATH}/resume`,
    name: 'resumeSandbox',
    summary: 'Resume a sandbox where its memory lies',
    description: 'onLostMemory says what to do when memory that was promised is gone.',
    role: 'operator',
    idempotent: true,
    params: sandboxId,
    query: waitQuery,
    body: resumeSchema,
    bodyOptional: true,
    replies: {
      200: { description: 'It runs; memoryKept says whether with its memory.', schema: resumedSandboxSchema },
      202: ACCEPTED,
    },
    errors: [
      ...OPERATION_ERRORS,
      ...(['not_found', 'wrong_state', 'too_many_operations', 'memory_lost', 'no_capacity'] as const),
      ...(['sandbox_ended', 'sandbox_lost', 'sandbox_stuck'] as const),
    ],
    async handle({ params, query, body, change, caller, context }) {
      const operation = await service.resume(params.id, body, change(query.expectTeamId));
      return answerOperation(service, operation, { context, caller, waitSeconds: query.wait });
    },
  });
}

function ttlRoute(service: LifecycleService): Route {
  return defineRoute({
    method: 'POST',
    path: `${SANDBOX_PATH}/ttl`,
    name: 'setSandboxTtl',
    summary: 'Set its time to live, counted from now; null takes it away',
    role: 'operator',
    idempotent: true,
    params: sandboxId,
    query: teamQuery,
    body: ttlSchema,
    replies: { 200: { description: 'The sandbox as it is now.', schema: sandboxSchema } },
    errors: ['not_found', 'wrong_state', 'idempotency_key_reused'],
    async handle({ params, query, body, change, context }) {
      return context.json(viewSandbox(await service.adjust(params.id, body, change(query.expectTeamId))));
    },
  });
}

function protectionRoute(service: LifecycleService): Route {
  return defineRoute({
    method: 'POST',
    path: `${SANDBOX_PATH}/protection`,
    name: 'setSandboxProtection',
    summary: 'Protect it from everything automatic, or no longer',
    role: 'operator',
    idempotent: true,
    params: sandboxId,
    query: teamQuery,
    body: protectionSchema,
    replies: { 200: { description: 'The sandbox as it is now.', schema: sandboxSchema } },
    errors: ['not_found', 'wrong_state', 'idempotency_key_reused'],
    async handle({ params, query, body, change, context }) {
      return context.json(viewSandbox(await service.adjust(params.id, body, change(query.expectTeamId))));
    },
  });
}
