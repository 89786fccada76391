import type { LifecycleService } from '../lifecycle-service.ts';
import { defineRoute, type Route } from './route.ts';
import { providersSchema } from './schemas.ts';

export function providerRoutes(service: LifecycleService): readonly Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/providers',
      name: 'listProviders',
      summary: 'What the workers last published about each provider, with its age and its queue',
      role: 'viewer',
      replies: {
        200: { description: 'Every provider that a worker serves or served.', schema: providersSchema },
      },
      errors: [],
      async handle({ context }) {
        return context.json({ providers: await service.providers() });
      },
    }),
  ];
}
