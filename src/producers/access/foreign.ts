/**
 * Requests that a web page of somebody else had a browser send. Two ways lead in:
 *
 * - cross-site requests: a page elsewhere posts to our address, and the browser adds our cookie (or, where
 *   access is open, needs none). Browsers say where a request comes from: `Sec-Fetch-Site` on https and on
 *   loopback, `Origin` with every method that changes something. Programs send neither.
 * - DNS rebinding: a page on evil.example makes that name lead to 127.0.0.1; to the browser it then is the
 *   same site as ours. A cookie or a token is not sent, for they belong to our name, so this matters only
 *   where access is open. There the `Host` has to be a loopback name, which no page can fake.
 *
 * "Same site" is not enough: a page on localhost:3000 is of the same site as we on localhost:8787. That is
 * why hono's csrf is not used: it asks only for form bodies, and answers in a shape that is not ours.
 */
import type { Refusal } from './refusal.ts';

export interface BrowserHints {
  readonly method: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  readonly fetchMode: string | undefined;
  readonly hasCookie: boolean;
}

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

export function changesSomething(method: string): boolean {
  return !SAFE_METHODS.has(method);
}

/** @param publicHost the host under which a proxy offers us, when it passes on another one */
export function refuseCrossSite(hints: BrowserHints, publicHost: string | undefined): Refusal | undefined {
  const { method, fetchSite, fetchMode, origin, host, hasCookie } = hints;
  const changes = changesSomething(method);
  if (fetchSite !== undefined) {
    // Following a link from elsewhere shows our page to the user and to nobody else.
    const isVisit = !changes && fetchMode === 'navigate';
    return fetchSite === 'same-origin' || fetchSite === 'none' || isVisit ? undefined : crossSite(fetchSite);
  }
  if (!changes) return undefined;
  if (origin !== undefined) {
    const from = hostOf(origin);
    const known = from !== undefined && (from === host?.toLowerCase() || from === publicHost);
    return known ? undefined : crossSite(`from ${origin}`);
  }
  return hasCookie ? crossSite('with a cookie but no Origin') : undefined;
}

function crossSite(detail: string): Refusal {
  return {
    code: 'cross_site_request',
    message: `a page of another origin may not call this (${detail.slice(0, 100)})`,
    remediation:
      'Open it under its own address. Behind a proxy set PUBLIC_URL to that address. Programs send a token.',
  };
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host.toLowerCase() : undefined;
}

/** Open access rests on nobody but this machine's users reaching us; see above for who else would. */
export function refuseForeignHost(host: string | undefined): Refusal | undefined {
  const name = host === undefined ? undefined : hostOf(`http://${host}`)?.replace(/:\d+$/, '');
  if (name !== undefined && isLoopbackName(name)) return undefined;
  return {
    code: 'host_not_allowed',
    message: `without tokens only loopback names are served, not ${(host ?? 'a request without Host').slice(0, 100)}`,
    remediation: 'Open http://127.0.0.1, or make a token: cmux-lifecycle token create <name> --role admin.',
  };
}

export function isLoopbackName(name: string): boolean {
  return name === 'localhost' || name === '[::1]' || name === '::1' || /^127\.\d+\.\d+\.\d+$/.test(name);
}
