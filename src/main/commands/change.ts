/** What `start`, `pause`, `resume` and `destroy` share: the options of waiting, and how the end is told. */
import type { Command } from 'commander';
import type { LifecycleClient, RequestOptions } from '../../core/client.ts';
import type { OperationView, SandboxView } from '../../core/views.ts';
import { submit, waitToTheEnd } from '../carry-out.ts';
import { describeOperation, describeSandbox } from '../describe-sandbox.ts';
import { EXIT } from '../exit-status.ts';
import type { Output } from '../output.ts';
import type { CommandContext } from './command.ts';
import { wholeNumber } from './options.ts';

export interface ChangeFlags {
  readonly timeout: number;
  /** commander's name for `--no-wait`. */
  readonly wait: boolean;
  readonly idempotencyKey?: string;
}

/** As long as a start may take by default; most take seconds. */
const DEFAULT_TIMEOUT_S = 600;
const DAY_S = 86_400;

export function addChangeOptions(command: Command): Command {
  return addTimeout(command)
    .option('--no-wait', 'print the operation and do not wait for it')
    .option('--idempotency-key <key>', 'two requests with one key are one, for 7 days');
}

export function addTimeout(command: Command): Command {
  return command.option(
    '--timeout <seconds>',
    'how long to wait; the operation goes on after',
    wholeNumber(1, DAY_S),
    DEFAULT_TIMEOUT_S,
  );
}

export interface Change {
  readonly client: LifecycleClient;
  readonly output: Output;
  readonly flags: ChangeFlags;
  readonly provider?: string;
  ask(options: RequestOptions): Promise<SandboxView>;
}

export async function carryOut(context: CommandContext, change: Change): Promise<void> {
  const { client, output, flags, provider } = change;
  const { idempotencyKey } = flags;
  const key = idempotencyKey === undefined ? {} : { idempotencyKey };
  const submitted = await submit((options) => change.ask({ ...options, ...key }));
  if ('sandbox' in submitted) {
    output.show(submitted.sandbox, (width) => describeSandbox(submitted.sandbox, width));
  } else if (flags.wait) {
    const told = { output, timeout: flags.timeout, ...(provider === undefined ? {} : { provider }) };
    await waitAndTell(context, client, submitted.operationId, told);
  } else {
    const operation = await client.operation(submitted.operationId);
    output.show(operation, (width) => describeOperation(operation, width));
  }
}

export async function waitAndTell(
  { terminal, exitWith }: CommandContext,
  client: LifecycleClient,
  operationId: string,
  {
    output,
    timeout,
    provider,
  }: { readonly output: Output; readonly timeout: number; readonly provider?: string },
): Promise<void> {
  const operation = await waitToTheEnd(operationId, {
    client,
    terminal,
    timeoutMs: timeout * 1_000,
    ...(provider === undefined ? {} : { provider }),
  });
  if (operation === undefined) {
    output.note(`Not waiting any longer; it goes on. Wait on with: cmux-lifecycle wait ${operationId}`);
    exitWith(EXIT.interrupted);
    return;
  }
  const sandbox = withMemory(await client.get(operation.sandboxId), operation);
  output.show(sandbox, (width) => describeSandbox(sandbox, width));
}

/** A resume also says whether memory was kept. */
function withMemory(sandbox: SandboxView, { kind, memoryKept = false }: OperationView): SandboxView {
  return kind === 'resume' ? { ...sandbox, ...{ memoryKept } } : sandbox;
}
