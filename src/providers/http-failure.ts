import type { ProviderName } from '../core/provider-name.ts';
import { ProviderError } from './provider-error.ts';

/** The request was still here when its time to leave was over. */
export class SendDeadlinePassed extends Error {
  override readonly name = 'SendDeadlinePassed';
}

export interface FailedRequest {
  readonly provider: ProviderName | undefined;
  /** Method and URL, without query and headers: safe to show. */
  readonly request: string;
  /** Bytes left, and they were more than a question. */
  readonly mayHaveActed: boolean;
  readonly tlsRemediation: string | undefined;
}

/** @param deadlinePassed it was given up because its time to leave was over, and not for want of an answer */
export function timeoutFailure(
  failed: FailedRequest,
  { sent, deadlinePassed }: { readonly sent: boolean; readonly deadlinePassed: boolean },
): ProviderError {
  return new ProviderError({
    kind: 'timed_out',
    effect: failed.mayHaveActed ? 'unknown' : 'none',
    message: sent
      ? `${failed.request} was sent and not answered in time`
      : `${failed.request} could not be sent in time; nothing left this worker`,
    ...(deadlinePassed && !sent ? { neverLeft: true } : {}),
    ...named(failed),
  });
}

export function networkFailure(failed: FailedRequest, sent: boolean, cause: unknown): ProviderError {
  const { code, text } = describe(cause);
  const remediation = isTlsCode(code) ? (failed.tlsRemediation ?? TLS_REMEDIATION) : REMEDIATION[code];
  return new ProviderError({
    kind: 'unreachable',
    effect: failed.mayHaveActed ? 'unknown' : 'none',
    message: `${failed.request} ${sent ? 'lost its connection' : 'could not connect'}: ${text}`,
    ...(remediation === undefined ? {} : { remediation }),
    ...named(failed),
    cause,
  });
}

const TLS_REMEDIATION = "Check the certificate of the address and this machine's clock.";

const REMEDIATION: Readonly<Record<string, string>> = {
  ENOTFOUND: 'The name does not resolve here: check the address, or DNS on this machine.',
  ECONNREFUSED: 'Nothing listens there: check host and port of the address, and whether the service runs.',
  HPE_INVALID_CONSTANT: 'Something other than HTTP answers there: check whether the address wants https.',
};

/** Codes of Node's TLS and OpenSSL verification (Node docs, "X509 certificate error codes"). */
function isTlsCode(code: string): boolean {
  return (
    /^(ERR_TLS|ERR_SSL|UNABLE_TO_|CERT_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH|INVALID_CA)/.test(code) ||
    code === 'EPROTO'
  );
}

function describe(cause: unknown): { readonly code: string; readonly text: string } {
  if (!(cause instanceof Error)) return { code: '', text: 'unknown error' };
  // A host with several addresses fails with one error for each.
  const first = cause instanceof AggregateError ? (cause.errors[0] as unknown) : cause;
  const error = first instanceof Error ? first : cause;
  const code = (error as { code?: unknown }).code;
  const name = typeof code === 'string' ? code : '';
  const message = error.message || 'failed';
  return { code: name, text: message.includes(name) ? message : `${message} (${name})` };
}

function named(failed: FailedRequest): { readonly provider?: ProviderName } {
  return failed.provider === undefined ? {} : { provider: failed.provider };
}
