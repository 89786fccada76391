import type { Context } from 'hono';
import type { AccessEnv } from '../access/access-env.ts';

export type ApiContext = Context<AccessEnv>;
