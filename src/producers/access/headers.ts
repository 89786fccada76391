import type { MiddlewareHandler } from 'hono';
import { secureHeaders } from 'hono/secure-headers';

/** Nothing from elsewhere, nothing inline, in no frame. */
const PAGES = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'", 'data:'],
  fontSrc: ["'self'"],
  connectSrc: ["'self'"],
  formAction: ["'self'"],
  frameAncestors: ["'none'"],
  baseUri: ["'none'"],
};

/**
 * Bull Board sets a `<base>`, and inserts `<style>` elements: styles may be inline there, scripts never. Its
 * fonts come from Google; they stay out, and the page takes the system's.
 */
const BOARD = { ...PAGES, styleSrc: ["'self'", "'unsafe-inline'"], baseUri: ["'self'"] };

/** Security headers for every answer. */
export function createHeaders(options: {
  readonly https: boolean;
  readonly boardPath: string;
}): MiddlewareHandler {
  const common = {
    xFrameOptions: 'DENY',
    // Over http browsers ignore it; https it promises for as long as anybody may hold a cookie.
    strictTransportSecurity: options.https ? 'max-age=15552000' : false,
  };
  const pages = secureHeaders({ ...common, contentSecurityPolicy: PAGES });
  const board = secureHeaders({ ...common, contentSecurityPolicy: BOARD });
  return (context, next) => {
    const { path } = context.req;
    const isBoard = path === options.boardPath || path.startsWith(`${options.boardPath}/`);
    return (isBoard ? board : pages)(context, next);
  };
}
