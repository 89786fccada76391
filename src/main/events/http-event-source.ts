/** `GET /v1/events` read as server-sent events. One stream lasts until the server or the network ends it. */
import { LifecycleError } from '../../core/lifecycle-error.ts';
import type { HttpConnection } from '../connection.ts';
import type { EventNews, EventSource, ReadEvent } from './event-source.ts';

/** The server says something each 15 s; after twice that the way is broken, whatever the socket says. */
const SILENCE_MS = 30_000;

export function createHttpEventSource(connection: HttpConnection): EventSource {
  async function newest(): Promise<string> {
    const enough = new AbortController();
    for await (const news of readStream(connection, undefined, enough.signal)) {
      if (news.news !== 'place') continue;
      enough.abort();
      return news.id;
    }
    throw unreachable(connection.baseUrl, 'the stream of events ended at once');
  }
  return { newest, after: (place, signal) => readStream(connection, place, signal) };
}

async function* readStream(
  connection: HttpConnection,
  place: string | undefined,
  signal: AbortSignal,
): AsyncIterable<EventNews> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const reply = await request(connection, place, AbortSignal.any([signal, silence.signal]));
    for await (const block of blocksOf(reply)) {
      timer.refresh();
      const news = newsIn(block);
      if (news !== undefined) yield news;
    }
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof LifecycleError) throw error;
    throw unreachable(connection.baseUrl, error);
  } finally {
    clearTimeout(timer);
  }
}

async function request(
  { baseUrl, token }: HttpConnection,
  place: string | undefined,
  signal: AbortSignal,
): Promise<Response> {
  const reply = await fetch(`${baseUrl.replace(/\/+$/, '')}/v1/events`, {
    headers: {
      accept: 'text/event-stream',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(place === undefined ? {} : { 'last-event-id': place }),
    },
    signal,
  });
  if (reply.ok) return reply;
  const body = (await reply.json().catch(() => ({}))) as Partial<LifecycleError>;
  if (typeof body.code !== 'string') throw unreachable(baseUrl, `answered ${reply.status}`);
  const { code, message = '', retryable = false, remediation } = body;
  throw new LifecycleError({ code, message, retryable, ...(remediation ? { remediation } : {}) });
}

/** What stands between two empty lines. */
async function* blocksOf({ body }: Response): AsyncIterable<string> {
  if (body === null) return;
  let rest = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    yield* blocks;
  }
}

function newsIn(block: string): EventNews | undefined {
  const fields = new Map(
    block.split('\n').map((line): [string, string] => {
      const at = line.indexOf(':');
      return [line.slice(0, at), line.slice(at + 1).trimStart()];
    }),
  );
  const [id, data] = [fields.get('id'), fields.get('data')];
  if (data === undefined) return id === undefined ? undefined : { news: 'place', id };
  if (fields.get('event') !== 'reset') return { news: 'event', event: JSON.parse(data) as ReadEvent };
  return { news: 'reset', ...(JSON.parse(data) as { readonly from: string; readonly to: string }) };
}

function unreachable(baseUrl: string, cause: unknown): LifecycleError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new LifecycleError({
    code: 'api_unreachable',
    message: `no events from ${baseUrl}: ${detail}`,
    remediation: 'Check the address and that the server runs.',
    retryable: true,
    cause,
  });
}
