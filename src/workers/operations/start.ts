/**
 * A start, from intent to usable. The intent is recorded before anything is sent; the create is let go once
 * per intent; whoever comes after a crash finds the permit taken and only looks. See ARCHITECTURE.md §4.3.
 */
import type { Effect } from '../../core/failure.ts';
import type { Guest, GuestIntent } from '../../core/guest.ts';
import type { BillingInstant } from '../../core/ledger.ts';
import type { Marker } from '../../core/marker.ts';
import type { StartRequest } from '../../core/start-request.ts';
import { createGuestId } from '../../platform/ids.ts';
import type { CreatedGuest, GuestFacts, Sighting } from '../../providers/provider.ts';
import { isProviderError, ProviderError } from '../../providers/provider-error.ts';
import type { Settlement } from '../../store/attempt-endings.ts';
import type { AttemptSession } from '../attempt-session.ts';
import { renewalOf } from '../renewal-of.ts';
import { sealSecrets } from '../seal-secrets.ts';
import type { WorkerDeps } from '../worker-deps.ts';

export async function startSandbox(session: AttemptSession, deps: WorkerDeps): Promise<Settlement> {
  const { provider } = deps;
  const { operation, sandbox } = session.claim;
  if (sandbox === undefined) throw new Error(`the sandbox of ${operation.id} has no record`);

  const inherited = session.guest;
  const guest = inherited ?? (await intendGuest(session, deps, sandbox.request));
  const created = inherited
    ? await createOnce(session, deps, inherited)
    : await sendCreate(session, deps, guest);
  const { facts, since } = await bringUpUsable(session, deps, guest.intent, created);
  return {
    operation: { state: 'succeeded' },
    since,
    sandbox: {
      state: 'running',
      cause: operation.id,
      placement: {
        provider: provider.name,
        guestId: guest.id,
        nativeId: facts.ref.nativeId,
        ...(facts.vmid === undefined ? {} : { vmid: facts.vmid }),
        ...(facts.ref.node === undefined ? {} : { node: facts.ref.node }),
        hostname: facts.hostname,
        endpoints: facts.endpoints,
        simulated: provider.simulated,
      },
    },
    guestFate: 'keep',
    ...renewalOf(provider, guest.sentAtMs ?? deps.nowMs()),
    ...sealSecrets(deps, facts),
  };
}

async function intendGuest(session: AttemptSession, deps: WorkerDeps, request: StartRequest): Promise<Guest> {
  const { provider } = deps;
  const guestId = createGuestId(provider.guestIdPrefix);
  const intent = await withEffect('none', () =>
    provider.prepare(
      {
        guestId,
        sources: request.sources ?? {},
        marker: markerFor(session, deps, guestId, request),
        metadata: request.metadata,
        ...(request.size ? { size: request.size } : {}),
      },
      session.call,
    ),
  );
  return session.recordIntent(intent);
}

function markerFor(
  { claim }: AttemptSession,
  { deployment }: WorkerDeps,
  guest: string,
  request: StartRequest,
): Marker {
  const optional = {
    preset: request.preset,
    team: request.teamId,
    user: request.userId,
    taskRun: request.taskRunId,
    workload: request.workloadType,
    ttlSeconds: request.ttlSeconds,
    idleTimeoutSeconds: request.idleTimeoutSeconds,
    createdAtMs: claim.sandbox?.createdAtMs,
  };
  return {
    deployment: deployment.name,
    install: deployment.installId,
    sandbox: claim.operation.sandboxId,
    guest,
    operation: claim.operation.id,
    attempt: claim.attempt.number,
    protected: request.protected,
    onExpiry: request.onExpiry,
    requiresRam: request.requiresRamSnapshot,
    ...(Object.fromEntries(
      Object.entries(optional).filter(([, value]) => value !== undefined),
    ) as Partial<Marker>),
  };
}

/**
 * For a guest that an earlier attempt meant to create. Sends the create if nobody has; otherwise finds out what
 * became of it, and never sends it again.
 */
async function createOnce(session: AttemptSession, deps: WorkerDeps, guest: Guest): Promise<CreatedGuest> {
  if (guest.ref) return withTask(guest.ref, guest.creationTask);
  return (await session.takeSendPermit(guest.id))
    ? sendCreate(session, deps, guest)
    : lookForGuest(session, deps, guest);
}

/** Only for whoever holds the send permit. */
async function sendCreate(session: AttemptSession, deps: WorkerDeps, guest: Guest): Promise<CreatedGuest> {
  const created = await deps.provider.create(guest.intent, session.call);
  await session.recordCreated(created);
  return created;
}

async function lookForGuest(session: AttemptSession, deps: WorkerDeps, guest: Guest): Promise<CreatedGuest> {
  const { provider } = deps;
  const { vmid } = guest.intent;
  const sighting = await withEffect('unknown', () => provider.look(guest.intent, session.call));
  switch (sighting.kind) {
    case 'ours':
      return recordSighting(session, guest, sighting);
    case 'pending':
      throw new ProviderError({
        kind: 'still_creating',
        effect: 'unknown',
        message: `${provider.name} is still creating ${guest.id}`,
      });
    case 'remains':
    case 'foreign':
      throw new ProviderError({
        kind: 'foreign_guest',
        effect: 'none',
        message: `${vmid === undefined ? guest.id : `VMID ${vmid}`} belongs to somebody else: ${sighting.detail}`,
      });
    case 'absent': {
      const proved = isAbsenceConclusive(guest, deps);
      throw new ProviderError({
        kind: 'interrupted',
        effect: proved ? 'none' : 'unknown',
        message: proved
          ? `the create of ${guest.id} never reached ${provider.name}`
          : `the create of ${guest.id} was sent and its guest is not seen yet`,
      });
    }
  }
}

async function recordSighting(
  session: AttemptSession,
  { creationTask }: Guest,
  { ref, billed }: Extract<Sighting, { kind: 'ours' }>,
): Promise<CreatedGuest> {
  const created = { ...withTask(ref, creationTask), ...(billed ? { billed } : {}) };
  await session.recordCreated(created);
  return created;
}

function withTask(ref: CreatedGuest['ref'], task: string | undefined): CreatedGuest {
  return task === undefined ? { ref } : { ref, task };
}

/** Later than this nothing becomes visible any more of a create that was let go. */
function isAbsenceConclusive({ sentAtMs }: Guest, { provider, timing, nowMs }: WorkerDeps): boolean {
  const now = nowMs();
  return now >= (sentAtMs ?? now) + timing.lease.sendDeadlineMs + provider.visibilityBoundMs;
}

/**
 * From here on a guest exists, so every failure counts as `applied`, unless the provider says that the
 * creation failed and a look proves it.
 */
async function bringUpUsable(
  session: AttemptSession,
  deps: WorkerDeps,
  intent: GuestIntent,
  created: CreatedGuest,
): Promise<{ readonly facts: GuestFacts; readonly since: BillingInstant }> {
  const { provider, waitUntilUsable, timing } = deps;
  try {
    const facts = await provider.bringUp(intent, created, session.call);
    const since = session.runningSince();
    await waitUntilUsable(facts.endpoints, {
      signal: session.call.signal,
      timeoutMs: timing.usableTimeoutMs,
    });
    return { facts, since };
  } catch (error) {
    if (!isProviderError(error) || session.call.signal.aborted) throw error;
    const absent = error.report.effect === 'none' && (await isProvedAbsent(session, deps, intent, created));
    throw changeEffect(error, absent ? 'none' : 'applied');
  }
}

/**
 * Nothing becomes visible late of a creation whose task is known to have ended. One that left no task may be
 * accepted and still be missing from what is read: another create could then make a second guest.
 */
async function isProvedAbsent(
  session: AttemptSession,
  deps: WorkerDeps,
  intent: GuestIntent,
  { task }: CreatedGuest,
): Promise<boolean> {
  const { guest } = session;
  const isConclusive = task !== undefined || (guest !== undefined && isAbsenceConclusive(guest, deps));
  if (!isConclusive) return false;
  try {
    return (await deps.provider.look(intent, session.call)).kind === 'absent';
  } catch (error) {
    if (isProviderError(error)) return false;
    throw error;
  }
}

/** Runs a call that changes nothing itself; its failure leaves what was there before it. */
async function withEffect<T>(effect: Effect, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw isProviderError(error) ? changeEffect(error, effect) : error;
  }
}

function changeEffect(error: ProviderError, effect: Effect): ProviderError {
  return new ProviderError({ ...error.report, effect, cause: error });
}
