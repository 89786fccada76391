/**
 * A transcript of what a driver asks and what it is told: one JSON object a line, redacted, in the order in which
 * the exchanges ended; `number` is the order in which they began.
 */
import type { HttpClient, HttpReply, HttpRequest } from './http-client.ts';
import { isProviderError } from './provider-error.ts';
import type { Redactor } from './redact-transcript.ts';

export interface TranscriptLine {
  readonly number: number;
  /** Since the transcript began. */
  readonly atMs: number;
  readonly durationMs: number;
  /** Headers are never recorded: ours hold credentials, theirs nothing that drivers read. */
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly query?: unknown;
    readonly form?: unknown;
    readonly json?: unknown;
  };
  /** `json` when the body was JSON, else `text`. */
  readonly reply?: {
    readonly status: number;
    readonly statusText: string;
    readonly json?: unknown;
    readonly text?: string;
  };
  /** There was no reply. */
  readonly failure?: string;
}

export interface TranscriptOptions {
  readonly redactor: Redactor;
  readonly write: (line: TranscriptLine) => void;
}

/** Wraps clients; what goes through any of them is written to the one transcript. Changes no exchange. */
export function createTranscript({ redactor, write }: TranscriptOptions): (http: HttpClient) => HttpClient {
  const beganMs = performance.now();
  let count = 0;
  return (http) => ({
    close: http.close,
    async request(request) {
      count += 1;
      const number = count;
      const startedMs = performance.now();
      const tell = (outcome: Pick<TranscriptLine, 'reply' | 'failure'>) =>
        write({
          number,
          atMs: Math.round(startedMs - beganMs),
          durationMs: Math.round(performance.now() - startedMs),
          request: describeRequest(request, redactor),
          ...outcome,
        });
      try {
        const reply = await http.request(request);
        tell({ reply: describeReply(reply, redactor) });
        return reply;
      } catch (error) {
        tell({ failure: redactor.text(isProviderError(error) ? error.report.message : String(error)) });
        throw error;
      }
    },
  });
}

function describeRequest(
  { method, path, query, form, json }: HttpRequest,
  redactor: Redactor,
): TranscriptLine['request'] {
  return {
    method,
    path: redactor.path(path),
    ...(query === undefined ? {} : { query: redactor.value(query) }),
    ...(form === undefined ? {} : { form: redactor.value(form) }),
    ...(json === undefined ? {} : { json: redactor.value(json) }),
  };
}

function describeReply(reply: HttpReply, redactor: Redactor): NonNullable<TranscriptLine['reply']> {
  const { status, statusText, body } = reply;
  const json = reply.json();
  const content = json === undefined ? { text: redactor.text(body) } : { json: redactor.value(json) };
  return { status, statusText: redactor.text(statusText), ...content };
}
