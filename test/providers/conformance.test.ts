/** What every driver promises (src/providers/provider.ts), against its simulator over HTTP. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HAS_OWN_TTL } from '../../src/core/provider-name.ts';
import { waitUntilUsable } from '../../src/providers/readiness.ts';
import { DRIVERS } from './drivers.ts';
import { failureOf, type Rig, readCounter, specFor, startGuest, testCall } from './rig.ts';

describe.each(DRIVERS)('$name', ({ start }) => {
  let rig: Rig;
  const keepsMemory = () => rig.provider.capabilities.preservesRam;
  beforeEach(async () => {
    rig = await start();
  });
  afterEach(() => rig.close());

  describe('a guest from its start to its end', () => {
    it('starts, pauses, resumes and is destroyed, and says truly whether its memory was kept', async () => {
      const { provider } = rig;
      const spec = specFor(provider);
      const call = testCall();
      const intent = await provider.prepare(spec, call);
      expect(intent).toMatchObject({ provider: provider.name, guestId: spec.guestId });
      expect(call.steps).toEqual([]);

      const created = await provider.create(intent, call);
      const facts = await provider.bringUp(intent, created, call);
      expect(await provider.look(intent, call)).toMatchObject({ kind: 'ours', ref: facts.ref });
      expect(facts.endpoints.map((endpoint) => endpoint.name)).toContain('vscode');
      await waitUntilUsable(facts.endpoints, { signal: call.signal, timeoutMs: 5_000 });
      expect(await provider.inspect(facts.ref, call)).toMatchObject({
        condition: 'running',
        marker: { guest: spec.guestId, sandbox: spec.marker.sandbox, attempt: 1 },
      });

      const counterBefore = await readCounter(facts);
      expect(await provider.pause(facts.ref, call)).toEqual({ preservesRam: keepsMemory() });
      const condition = keepsMemory() ? 'paused' : 'stopped';
      expect(await provider.inspect(facts.ref, call)).toMatchObject({ condition });

      const resumed = await provider.resume(facts.ref, { allowColdBoot: !keepsMemory() }, call);
      expect(resumed).toMatchObject({ memoryKept: keepsMemory(), facts: { ref: facts.ref } });
      await waitUntilUsable(resumed.facts.endpoints, { signal: call.signal, timeoutMs: 5_000 });
      if (keepsMemory()) expect(await readCounter(resumed.facts)).toBeGreaterThanOrEqual(counterBefore);

      await provider.destroy(facts.ref, call);
      expect(await provider.inspect(facts.ref, call)).toMatchObject({ condition: 'gone' });
      expect(await provider.look(intent, call)).toEqual({ kind: 'absent' });
      expect(rig.nativeIds()).toEqual([]);
    });

    it('is listed while it exists', async () => {
      const { ref } = await startGuest(rig.provider);
      const listed = await rig.provider.list(testCall());
      expect(listed).toHaveLength(1);
      expect(listed[0]).toMatchObject({ ref, condition: 'running' });
      await rig.provider.destroy(ref, testCall());
      expect(await rig.provider.list(testCall())).toEqual([]);
    });
  });

  describe('what the provider does by itself', () => {
    it('is kept by configure wherever the provider has a TTL of its own, and nowhere else', () => {
      const { configure, configureEveryMs, name } = rig.provider;
      expect([configure !== undefined, configureEveryMs !== undefined]).toEqual([
        HAS_OWN_TTL[name],
        HAS_OWN_TTL[name],
      ]);
    });

    it('configure may be called again, tells how the guest is, and leaves one that is paused, gone or not ours alone', async (context) => {
      const { provider } = rig;
      if (provider.configure === undefined) return context.skip('it does nothing by itself');
      const { ref } = await startGuest(provider);
      const call = testCall();
      const first = await provider.configure(ref, call);
      expect(first).toMatchObject({ condition: 'running' });
      expect((await provider.configure(ref, call)).pausesAtMs).toBeGreaterThanOrEqual(
        first.pausesAtMs ?? Infinity,
      );
      const [listed] = await provider.list(call);
      expect(listed?.settingsDiffer).toBeUndefined();

      const quiet = testCall();
      const wrong = { ...ref, guestId: `${provider.guestIdPrefix}00000000` };
      expect((await provider.configure(wrong, quiet)).marker).toBeUndefined();
      await provider.pause(ref, call);
      expect(await provider.configure(ref, quiet)).toMatchObject({ condition: 'paused' });
      await provider.destroy(ref, call);
      expect(await provider.configure(ref, quiet)).toMatchObject({ condition: 'gone' });
      expect(quiet.steps).toEqual([]);
    });
  });

  describe('repetition', () => {
    it('prepares the same intent twice', async () => {
      const spec = specFor(rig.provider);
      const call = testCall();
      const first = await rig.provider.prepare(spec, call);
      expect(await rig.provider.prepare(spec, call)).toEqual(first);
    });

    it('brings up a running guest again without changing anything', async () => {
      const { intent, ref, facts } = await startGuest(rig.provider);
      const call = testCall();
      expect(await rig.provider.bringUp(intent, { ref }, call)).toEqual(facts);
      expect(call.steps).toEqual([]);
    });

    it('pauses a paused guest again without changing anything', async () => {
      const { ref } = await startGuest(rig.provider);
      await rig.provider.pause(ref, testCall());
      const call = testCall();
      expect(await rig.provider.pause(ref, call)).toEqual({ preservesRam: keepsMemory() });
      expect(call.steps).toEqual([]);
    });

    it('resumes a running guest again without changing anything', async () => {
      const { ref, facts } = await startGuest(rig.provider);
      const call = testCall();
      expect(await rig.provider.resume(ref, { allowColdBoot: false }, call)).toMatchObject({
        facts,
        memoryKept: true,
      });
      expect(call.steps).toEqual([]);
    });

    it('destroys an absent guest again without changing anything', async () => {
      const { ref } = await startGuest(rig.provider);
      await rig.provider.destroy(ref, testCall());
      const call = testCall();
      await rig.provider.destroy(ref, call);
      expect(call.steps).toEqual([]);
    });

    it('destroys a paused guest', async () => {
      const { ref } = await startGuest(rig.provider);
      await rig.provider.pause(ref, testCall());
      await rig.provider.destroy(ref, testCall());
      expect(rig.nativeIds()).toEqual([]);
    });

    it('says not_found of a guest that is gone when it is to be paused or resumed', async () => {
      const { ref } = await startGuest(rig.provider);
      await rig.provider.destroy(ref, testCall());
      const paused = await failureOf(rig.provider.pause(ref, testCall()));
      expect(paused).toMatchObject({ kind: 'not_found', effect: 'none' });
      const resumed = await failureOf(rig.provider.resume(ref, { allowColdBoot: true }, testCall()));
      expect(resumed).toMatchObject({ kind: 'not_found', effect: 'none' });
    });
  });

  describe('replies that get lost', () => {
    it('finds the guest whose create reply was lost, and carries it on', async () => {
      rig.faults.add({
        method: 'POST',
        path: rig.createPath,
        times: 1,
        action: { kind: 'lose-reply' },
      });
      const call = testCall();
      const intent = await rig.provider.prepare(specFor(rig.provider), call);
      expect(await failureOf(rig.provider.create(intent, call))).toMatchObject({ effect: 'unknown' });

      const ref = await untilOurs(rig, intent);
      await rig.provider.bringUp(intent, { ref }, call);
      expect(rig.nativeIds()).toHaveLength(1);
      expect(await rig.provider.inspect(ref, call)).toMatchObject({ condition: 'running' });
    });

    it('reaches the state although the reply to the pause, resume or destroy was lost', async () => {
      const { ref } = await startGuest(rig.provider);
      const lose = (method: string, path: string) =>
        rig.faults.add({ method, path, times: 1, action: { kind: 'lose-reply' } });
      lose('POST', '/(suspend|pause|shutdown)$');
      expect(await rig.provider.pause(ref, testCall())).toEqual({ preservesRam: keepsMemory() });
      lose('POST', '/(resume|start)$');
      const resumed = await rig.provider.resume(ref, { allowColdBoot: !keepsMemory() }, testCall());
      expect(resumed.memoryKept).toBe(keepsMemory());
      lose('DELETE', '.');
      await settle(() => rig.provider.destroy(ref, testCall()));
      expect(rig.nativeIds()).toEqual([]);
    });

    it('never sends a creating request twice', async () => {
      rig.faults.add({ method: 'POST', path: rig.createPath, action: { kind: 'drop' } });
      const call = testCall();
      const intent = await rig.provider.prepare(specFor(rig.provider), call);
      expect(await failureOf(rig.provider.create(intent, call))).toMatchObject({ effect: 'unknown' });
      expect(call.steps).toEqual(['create']);
      expect(rig.faults.list()[0]?.hits).toBe(1);
      expect(await rig.provider.look(intent, call)).toEqual({ kind: 'absent' });
    });

    it('reads once more when a kept connection broke', async () => {
      const { ref } = await startGuest(rig.provider);
      rig.faults.add({ method: 'GET', path: '.', times: 1, action: { kind: 'drop' } });
      expect(await rig.provider.inspect(ref, testCall())).toMatchObject({ condition: 'running' });
    });
  });

  describe('a provider in trouble', () => {
    it('is unreachable when it is down, with nothing left behind', async () => {
      const intent = await rig.provider.prepare(specFor(rig.provider), testCall());
      await rig.setDown(true);
      const created = await failureOf(rig.provider.create(intent, testCall()));
      expect(created).toMatchObject({ kind: 'unreachable', effect: 'none', provider: rig.provider.name });
      expect(await rig.provider.probe(testCall())).toMatchObject({ healthy: false });
    });

    it('proves nothing by being down: a guest is neither gone nor destroyed', async () => {
      const { ref } = await startGuest(rig.provider);
      await rig.setDown(true);
      expect(await failureOf(rig.provider.inspect(ref, testCall()))).toMatchObject({ kind: 'unreachable' });
      expect(await failureOf(rig.provider.destroy(ref, testCall()))).toMatchObject({ kind: 'unreachable' });
      await rig.setDown(false);
      expect(await rig.provider.inspect(ref, testCall())).toMatchObject({ condition: 'running' });
    });

    it('never says `none` of a bring-up that cannot see whether there is a guest', async () => {
      const call = testCall();
      const intent = await rig.provider.prepare(specFor(rig.provider), call);
      const created = await rig.provider.create(intent, call);
      await rig.setDown(true);
      const failure = await failureOf(rig.provider.bringUp(intent, { ref: created.ref }, call));
      expect(failure).toMatchObject({ kind: 'unreachable', effect: 'unknown' });
    });

    it.each(['pause', 'destroy'] as const)(
      'never says `none` of a %s once its request went through',
      async (act) => {
        const { ref } = await startGuest(rig.provider);
        const call = testCall();
        const step: typeof call.step = async (stepName, send) => {
          const done = await call.step(stepName, send);
          await rig.setDown(true);
          return done;
        };
        const failure = await failureOf(Promise.resolve(rig.provider[act](ref, { ...call, step })));
        expect(failure.kind).toBe('unreachable');
        expect(failure.effect).not.toBe('none');
      },
    );

    it('reports its health with a request that needs credentials', async () => {
      expect(await rig.provider.probe(testCall())).toMatchObject({ healthy: true });
      rig.faults.add({ path: '.', action: { kind: 'error', status: 401, message: 'no' } });
      const health = await rig.provider.probe(testCall());
      expect(health.healthy).toBe(false);
      expect(health.detail).toMatch(/API_(TOKEN|KEY)/);
    });

    it('shows no secret in a failure', async () => {
      rig.faults.add({ path: '.', action: { kind: 'error', status: 401, message: 'no' } });
      const { ref } = { ref: { provider: rig.provider.name, guestId: 'x', nativeId: '20001' } as const };
      const failure = await failureOf(rig.provider.inspect(ref, testCall()));
      expect(failure).toMatchObject({ kind: 'unauthorized', effect: 'none' });
      expect(JSON.stringify(failure)).not.toContain('secret');
    });
  });

  describe('abort', () => {
    it('ends a call that hangs with the abort reason', async () => {
      const intent = await rig.provider.prepare(specFor(rig.provider), testCall());
      rig.faults.add({ path: '.', action: { kind: 'hang' } });
      const reason = new Error('the claim is lost');
      const actions = [
        (signal: AbortSignal) => rig.provider.create(intent, testCall(signal)),
        (signal: AbortSignal) => rig.provider.look(intent, testCall(signal)),
        (signal: AbortSignal) => rig.provider.probe(testCall(signal)),
        (signal: AbortSignal) => rig.provider.list(testCall(signal)),
      ];
      for (const act of actions) {
        const controller = new AbortController();
        const ended = act(controller.signal);
        setTimeout(() => controller.abort(reason), 20);
        await expect(ended).rejects.toBe(reason);
      }
    });

    it('ends a wait for something slow with the abort reason', async () => {
      const call = testCall();
      const intent = await rig.provider.prepare(specFor(rig.provider), call);
      const created = await rig.provider.create(intent, call);
      const controller = new AbortController();
      const reason = new Error('the claim is lost');
      const ended = rig.provider.bringUp(intent, created, testCall(controller.signal));
      setTimeout(() => controller.abort(reason), 10);
      await expect(ended).rejects.toBe(reason);
    });

    it('starts nothing when it is aborted already', async () => {
      const intent = await rig.provider.prepare(specFor(rig.provider), testCall());
      const signal = AbortSignal.abort(new Error('too late'));
      await expect(rig.provider.create(intent, testCall(signal))).rejects.toThrow('too late');
      expect(rig.nativeIds()).toEqual([]);
    });

    it('lets no byte leave after the send deadline', async () => {
      const call = testCall();
      const intent = await rig.provider.prepare(specFor(rig.provider), call);
      const late = {
        ...call,
        step: <T>(_: string, send: (at: number) => Promise<T>) => send(performance.now() - 1),
      };
      const failure = await failureOf(rig.provider.create(intent, late));
      expect(failure).toMatchObject({ kind: 'timed_out', effect: 'none', neverLeft: true });
      expect(rig.nativeIds()).toEqual([]);
    });
  });

  describe('guests of others', () => {
    it('never pauses, resumes or destroys a guest that carries another marker', async () => {
      const { ref } = await startGuest(rig.provider);
      const wrong = { ...ref, guestId: `${rig.provider.guestIdPrefix}00000000` };
      const call = testCall();
      for (const act of [
        () => rig.provider.destroy(wrong, call),
        () => rig.provider.pause(wrong, call),
        () => rig.provider.resume(wrong, { allowColdBoot: true }, call),
      ]) {
        expect(await failureOf(act())).toMatchObject({ kind: 'foreign_guest', effect: 'none' });
      }
      expect(call.steps).toEqual([]);
      expect(rig.nativeIds()).toEqual([ref.nativeId]);
      const observed = await rig.provider.inspect(wrong, call);
      expect(observed.marker?.guest).not.toBe(wrong.guestId);
    });
  });

  it('says source_missing when the preset has nothing for it', async () => {
    const spec = specFor(rig.provider, { sources: {} });
    const failure = await failureOf(rig.provider.prepare(spec, testCall()));
    expect(failure).toMatchObject({ kind: 'source_missing', effect: 'none' });
    expect(failure.remediation).toBeTruthy();
  });
});

/** Looks until the guest shows; the suite's own timeout bounds it. */
async function untilOurs(rig: Rig, intent: Parameters<Rig['provider']['look']>[0]) {
  for (;;) {
    const sighting = await rig.provider.look(intent, testCall());
    if (sighting.kind === 'ours') return sighting.ref;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Repeats a repeatable call as a worker would, while its effect is unknown. */
async function settle(act: () => Promise<void>): Promise<void> {
  for (let tries = 0; tries < 5; tries += 1) {
    const failure = await act().then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure === undefined) return;
  }
  throw new Error('did not settle');
}
