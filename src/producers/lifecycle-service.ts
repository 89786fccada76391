/**
 * What both transports offer, without waiting: the Redis producer and the HTTP API are thin layers over it,
 * so that they behave alike. Each checks what it is given with the schemas of `requests.ts`; who may see what
 * is decided here.
 */
import type { BudgetsView } from '../core/budget.ts';
import { type MeteredLine, type MeteredLineView, viewMeteredLine } from '../core/cost-lines.ts';
import { type CostOptions, type CostsView, planCostQuery } from '../core/costs.ts';
import { monthStartMs, monthText } from '../core/day.ts';
import type { HistoryEntry } from '../core/events.ts';
import { isLifecycleError, LifecycleError } from '../core/lifecycle-error.ts';
import type { Operation, PauseOptions, ResumeOptions } from '../core/operation.ts';
import type { FixedLine } from '../core/price-book.ts';
import { isEnded, type Sandbox } from '../core/sandbox.ts';
import type { SavingsOptions, SavingsView } from '../core/savings.ts';
import type { StartRequest } from '../core/start-request.ts';
import { type ProviderView, viewOperation, viewSandbox, type WhyView } from '../core/views.ts';
import { explainState } from '../core/why.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { findSandbox } from '../queues/find-sandbox.ts';
import type { SubmitOptions, Submitter } from '../queues/submit-operation.ts';
import type { Adjustment } from '../store/adjusting.ts';
import { readIdleOutlooks } from '../store/idle-outlook.ts';
import type { Page } from '../store/listing.ts';
import type { Awaited, Settled } from '../store/settlements.ts';
import type { Store } from '../store/store.ts';
import { heartbeatTokenOf } from './access/heartbeat-token.ts';
import { type ActivityService, createActivityService } from './activity-service.ts';
import type { Caller } from './caller.ts';
import type { OperationListRequest, SandboxListRequest } from './requests.ts';
import { invalidRequest } from './requests.ts';
import { reported } from './store-trouble.ts';

export type { Caller } from './caller.ts';

export interface ChangeRequest {
  readonly caller: Caller;
  readonly idempotencyKey?: string | undefined;
  readonly expectTeamId?: string | undefined;
}

export interface SettledWait {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Every method rejects with a `LifecycleError`, `store_unavailable` while Redis is away. */
export interface LifecycleService {
  start(input: StartRequest, request: ChangeRequest): Promise<Operation>;
  pause(anyId: string, options: PauseOptions, request: ChangeRequest): Promise<Operation>;
  resume(anyId: string, options: ResumeOptions, request: ChangeRequest): Promise<Operation>;
  destroy(anyId: string, request: ChangeRequest): Promise<Operation>;
  adjust(anyId: string, adjustment: Adjustment, request: ChangeRequest): Promise<Sandbox>;
  sandbox(anyId: string, caller: Caller): Promise<Sandbox>;
  /**
   * The same, after the provider was asked (an `inspect` operation): what was found is in the record. One that
   * has ended, or whose provider does not answer in time, comes as recorded.
   */
  refreshed(anyId: string, caller: Caller, signal?: AbortSignal): Promise<Sandbox>;
  list(input: SandboxListRequest, caller: Caller): Promise<Page<Sandbox>>;
  /** The guest's own secrets by name, such as `execToken`; empty when it has none or no key is configured. */
  secrets(anyId: string, caller: Caller): Promise<Readonly<Record<string, string>>>;
  readonly activity: ActivityService;
  why(anyId: string, caller: Caller): Promise<WhyView>;
  operation(operationId: string, caller: Caller): Promise<Operation>;
  operations(input: OperationListRequest, caller: Caller): Promise<Page<Operation>>;
  providers(): Promise<readonly ProviderView[]>;
  /** A caller of one team is told of that team's sandboxes. */
  costs(options: CostOptions, caller: Caller): Promise<CostsView>;
  /** Of the whole deployment: not for tokens of one team. */
  savings(options: SavingsOptions, caller: Caller): Promise<SavingsView>;
  /** Another line of the bill; not for tokens of one team. */
  tellCostLine(line: MeteredLine, caller: Caller): Promise<MeteredLineView>;
  costLines(caller: Caller): Promise<CostLinesView>;
  /** A caller of one team is told of that team's budgets. */
  budgets(caller: Caller): Promise<BudgetsView>;
  /** The operation once it settled; `undefined` when the time is over. Rejects with the signal's reason. */
  untilSettled(operation: Awaited, wait: SettledWait): Promise<Settled | undefined>;
  /** Whether this caller may know that a sandbox exists. */
  maySee(sandboxId: string, caller: Caller): Promise<boolean>;
}

export interface ServiceDeps {
  readonly store: Store;
  readonly submitter: Submitter;
  readonly nowMs: () => number;
  /** Opens the secrets of sandboxes; absent where none can be given out. */
  readonly secretBox?: SecretBox;
}

/** An operation in front may take minutes; then the record as it is says more than a longer wait. */
const REFRESH_WAIT_MS = 10_000;

/** A sandbox's team never changes, so that a look-up is good for ever; this many are remembered. */
const REMEMBERED_TEAMS = 10_000;

export function createLifecycleService(deps: ServiceDeps): LifecycleService {
  const { store, submitter } = deps;
  const maySee = createTeamCheck(store);

  const change = (
    kind: 'pause' | 'resume' | 'destroy',
    anyId: string,
    options: Parameters<Submitter['change']>[2],
    request: ChangeRequest,
  ) => reported(async () => submitter.change(kind, anyId, options, submitOptions(anyId, request)));

  return {
    start: (input, request) =>
      reported(async () => submitter.start(inTeamOf(request.caller, input), submitOptions('', request))),
    pause: (anyId, options, request) => change('pause', anyId, options, request),
    resume: (anyId, options, request) => change('resume', anyId, options, request),
    destroy: (anyId, request) => change('destroy', anyId, {}, request),
    adjust: (anyId, adjustment, request) =>
      reported(async () => submitter.adjust(anyId, adjustment, submitOptions(anyId, request))),

    activity: createActivityService(deps),

    sandbox: (anyId, caller) => reported(() => findSandbox(store, anyId, caller.teamId)),

    refreshed: (anyId, caller, signal) =>
      reported(async () => {
        const { id } = await findSandbox(store, anyId, caller.teamId);
        const operation = await submitter
          .change('inspect', id, {}, submitOptions(id, { caller }))
          .catch(whenNothingIsLeftToAsk);
        if (operation) {
          const wait = { timeoutMs: REFRESH_WAIT_MS, ...(signal ? { signal } : {}) };
          await store.settlements.wait({ id: operation.id, createdAtMs: operation.createdAtMs }, wait);
        }
        return findSandbox(store, id, caller.teamId);
      }),

    list: ({ limit, cursor, ...filter }, { teamId }) =>
      reported(async () => {
        if (teamId !== undefined && filter.teamId !== undefined && filter.teamId !== teamId) {
          return { items: [] };
        }
        const scoped = teamId === undefined ? filter : { ...filter, teamId };
        return store.listing.sandboxes(scoped, { limit, ...(cursor === undefined ? {} : { cursor }) });
      }),

    secrets: (anyId, caller) =>
      reported(async () => {
        const { id, placement } = await findSandbox(store, anyId, caller.teamId);
        const guest = placement && (await store.reading.guest(placement.guestId));
        const { secretBox } = deps;
        if (!secretBox) return {};
        const sealed = Object.entries(guest?.sealedSecrets ?? {});
        const opened = sealed.map(([name, text]) => [name, secretBox.open(guest?.id ?? '', text)]);
        return { ...Object.fromEntries(opened), heartbeatToken: heartbeatTokenOf(id, secretBox) };
      }),

    why: (anyId, caller) => reported(async () => why(deps, await findSandbox(store, anyId, caller.teamId))),

    operation: (operationId, caller) =>
      reported(async () => {
        const operation = await store.reading.operation(operationId);
        if (operation && (await maySee(operation.sandboxId, caller))) return operation;
        throw notFound('operation', operationId);
      }),

    operations: ({ limit, cursor, states }, caller) =>
      reported(() =>
        store.listing.operations(
          { states },
          { limit, ...(cursor === undefined ? {} : { cursor }) },
          (operation) => maySee(operation.sandboxId, caller),
        ),
      ),

    providers: () => reported(() => providers(deps)),
    costs: (options, caller) => reported(() => costs(deps, options, caller)),
    savings: (options, caller) => reported(() => savings(deps, options, caller)),
    tellCostLine: (line, caller) => reported(() => tellCostLine(deps, line, caller)),
    costLines: (caller) => reported(() => costLines(deps, caller)),
    budgets: (caller) => reported(() => budgets(deps, caller)),
    untilSettled: (operation, { timeoutMs, signal }) =>
      reported(() => store.settlements.wait(operation, { timeoutMs, ...(signal ? { signal } : {}) })),
    maySee: (sandboxId, caller) => reported(() => maySee(sandboxId, caller)),
  };
}

/** One that has ended, or is on its way out, is as recorded. */
function whenNothingIsLeftToAsk(error: unknown): undefined {
  if (isLifecycleError(error) && error.code === 'wrong_state') return undefined;
  throw error;
}

/** A token of one team starts for that team, whether or not the request says so. */
function inTeamOf({ teamId }: Caller, input: StartRequest): StartRequest {
  if (teamId === undefined) return input;
  if (input.teamId !== undefined && input.teamId !== teamId) {
    throw new LifecycleError({
      code: 'forbidden',
      message: 'teamId: this token belongs to another team',
      retryable: false,
    });
  }
  return { ...input, teamId };
}

function submitOptions(
  anyId: string,
  { caller, idempotencyKey, expectTeamId }: ChangeRequest,
): SubmitOptions {
  const { name, teamId } = caller;
  if (teamId !== undefined && expectTeamId !== undefined && teamId !== expectTeamId) {
    throw notFound('sandbox', anyId);
  }
  const team = expectTeamId ?? teamId;
  return {
    requestedBy: name,
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(teamId === undefined ? {} : { idempotencyScope: teamId }),
    ...(team === undefined ? {} : { expectTeamId: team }),
  };
}

/** Whether a caller may know of a sandbox: its record is asked once, and not at all for who sees all. */
function createTeamCheck(store: Store): LifecycleService['maySee'] {
  const teams = new Map<string, string | undefined>();
  return async (sandboxId, { teamId }) => {
    if (teamId === undefined) return true;
    if (!teams.has(sandboxId)) {
      const sandbox = await store.reading.sandbox(sandboxId);
      if (sandbox === undefined) return false;
      if (teams.size >= REMEMBERED_TEAMS) teams.clear();
      teams.set(sandboxId, sandbox.request.teamId);
    }
    return teams.get(sandboxId) === teamId;
  };
}

async function why({ store, nowMs }: ServiceDeps, sandbox: Sandbox): Promise<WhyView> {
  const [pending, history, outlooks] = await Promise.all([
    store.reading.pendingOperations(sandbox.id),
    store.listing.history(sandbox.id),
    isEnded(sandbox.state) ? undefined : readIdleOutlooks(store, [sandbox], nowMs()),
  ]);
  const idle = outlooks?.get(sandbox.id);
  const behind = await operationBehind(store, sandbox, history);
  const operations = [...(behind ? [behind] : []), ...pending.filter(({ id }) => id !== behind?.id)];
  return {
    sandbox: viewSandbox(sandbox),
    summary: explainState(sandbox, behind, pending[0]),
    operations: operations.map(viewOperation),
    history,
    ...(idle ? { idle } : {}),
  };
}

/** The cause of a state that an operation failed into is a sentence; the history names the operation. */
async function operationBehind(
  store: Store,
  { cause }: Sandbox,
  history: readonly HistoryEntry[],
): Promise<Operation | undefined> {
  const named = await store.reading.operation(cause);
  if (named !== undefined) return named;
  const operationId = history.find(({ type }) => type === 'sandbox.changed')?.facts.operationId;
  return typeof operationId === 'string' ? store.reading.operation(operationId) : undefined;
}

async function costs(
  { store, nowMs }: ServiceDeps,
  options: CostOptions,
  { teamId }: Caller,
): Promise<CostsView> {
  const query = planCostQuery(options, nowMs());
  if ('problem' in query) throw invalidRequest([query.problem]);
  return store.costs.read({ ...query, ...(teamId === undefined ? {} : { teamId }) });
}

async function savings(
  { store, nowMs }: ServiceDeps,
  { fromMs, toMs }: SavingsOptions,
  caller: Caller,
): Promise<SavingsView> {
  forAllTeams(caller, 'savings are those of the whole deployment');
  const to = Math.min(toMs ?? nowMs(), nowMs());
  const from = fromMs ?? monthStartMs(to);
  if (from > to) throw invalidRequest(['from: it is later than to']);
  return store.savings.read({ fromMs: from, toMs: to });
}

export interface CostLinesView {
  readonly fixed: readonly FixedLine[];
  readonly metered: readonly MeteredLineView[];
}

async function costLines({ store }: ServiceDeps, caller: Caller): Promise<CostLinesView> {
  forAllTeams(caller, 'the other lines of the bill are the whole deployment’s');
  const [book, metered] = await Promise.all([store.costs.prices(), store.costLines.all()]);
  return { fixed: book.lines ?? [], metered: metered.map(viewMeteredLine) };
}

async function tellCostLine(
  { store, nowMs }: ServiceDeps,
  told: MeteredLine,
  caller: Caller,
): Promise<MeteredLineView> {
  forAllTeams(caller, 'the other lines of the bill are the whole deployment’s');
  const kept = await store.costLines.tell(told, nowMs());
  if (kept === 'full') throw invalidRequest(['id: there are as many lines as are kept for 13 months']);
  const isSame = kept.line === told.line && kept.microUsd === told.microUsd && kept.day === told.day;
  if (isSame) return viewMeteredLine(kept);
  throw new LifecycleError({
    code: 'idempotency_key_reused',
    message: 'id: another line was told under it',
    remediation: 'To correct a line, tell the difference under another id.',
    retryable: false,
  });
}

function forAllTeams({ teamId }: Caller, what: string): void {
  if (teamId === undefined) return;
  throw new LifecycleError({
    code: 'forbidden',
    message: `${what}: they are for tokens that belong to no team`,
    retryable: false,
  });
}

async function budgets({ store, nowMs }: ServiceDeps, { teamId }: Caller): Promise<BudgetsView> {
  const all = (await store.deployment.view())?.settings.budgets ?? [];
  const seen = all.filter(
    ({ scope }) => teamId === undefined || (scope.of === 'team' && scope.teamId === teamId),
  );
  return store.budgets.read(seen, monthText(nowMs()));
}

async function providers({ store, submitter, nowMs }: ServiceDeps): Promise<readonly ProviderView[]> {
  const statuses = (await store.deployment.view())?.statuses ?? [];
  return Promise.all(
    statuses.map(async (status) => ({
      ...status,
      ageMs: Math.max(0, nowMs() - status.publishedAtMs),
      queue: await submitter.queueCounts(status.provider),
    })),
  );
}

export function notFound(what: string, id: string): LifecycleError {
  return new LifecycleError({ code: 'not_found', message: `there is no ${what} ${id}`, retryable: false });
}
