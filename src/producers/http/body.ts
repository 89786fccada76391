import { LifecycleError } from '../../core/lifecycle-error.ts';
import type { ApiContext } from './api-context.ts';

/** The largest body we take: a start with its metadata filled to the brim is half of it. */
export const MAX_BODY_BYTES = 256 * 1024;

type Body = { readonly value: unknown } | { readonly problem: string };

/** @throws `unsupported_media_type`; every other problem is returned, to be told with the rest */
export async function readJsonBody(
  { req }: ApiContext,
  { takes, optional }: { readonly takes: boolean; readonly optional: boolean },
): Promise<Body> {
  // GET and HEAD have none by HTTP's own rules.
  const text = req.method === 'GET' || req.method === 'HEAD' ? '' : await req.text();
  if (!takes) return text === '' ? { value: undefined } : { problem: 'request: this takes no body' };
  if (text === '') return optional ? { value: {} } : { problem: 'request: a JSON body is missing' };
  const [type = ''] = (req.header('content-type') ?? '').split(';');
  if (type.trim().toLowerCase() !== 'application/json') {
    throw new LifecycleError({
      code: 'unsupported_media_type',
      message: `content-type: this takes application/json, not "${type.slice(0, 100)}"`,
      retryable: false,
    });
  }
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return { problem: 'request: the body is no valid JSON' };
  }
}
