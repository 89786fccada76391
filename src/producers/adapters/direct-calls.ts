/** What cmux does with a sandbox without us: commands and ports, on the way that its data takes anyway. */
import type { SandboxView } from '../../core/views.ts';

export interface ExecOptions {
  readonly timeoutMs?: number;
}

export interface ExecResult {
  readonly exit_code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Each is called with the sandbox as it was last seen. Give those that cmux has; the rest throws. */
export interface DirectCalls {
  exec?(sandbox: SandboxView, command: string, options: ExecOptions): Promise<ExecResult>;
  exposeHttpService?(sandbox: SandboxView, name: string, port: number): Promise<void>;
  hideHttpService?(sandbox: SandboxView, name: string): Promise<void>;
  setWakeOn?(sandbox: SandboxView, http: boolean, ssh: boolean): Promise<void>;
}

const MARK = Symbol.for('cmux-lifecycle.UnsupportedCallError');

/** The life-cycle service does not do this, and nobody gave the adapter a way to do it directly. */
export class UnsupportedCallError extends Error {
  override readonly name = 'UnsupportedCallError';
  readonly code = 'unsupported_call';
  readonly [MARK] = true;
  readonly call: keyof DirectCalls;
  readonly remediation: string;

  constructor(call: keyof DirectCalls, why: string) {
    super(`${call}: ${why}`);
    this.call = call;
    this.remediation = `Give the adapter \`direct.${call}\`, or do without the call: see docs/cmux.md.`;
  }
}

/** Works across copies of this module, as `instanceof` does not. */
export function isUnsupportedCallError(value: unknown): value is UnsupportedCallError {
  return typeof value === 'object' && value !== null && MARK in value;
}
