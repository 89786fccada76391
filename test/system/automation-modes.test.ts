/** What sweeps may do by themselves in each mode of the deployment, with real workers and simulators. */
import { afterEach, expect, test } from 'vitest';
import { HEARTBEAT_OLD_MS } from '../../src/store/automation.ts';
import { ENFORCE, HOUR_MS, type IdleRig, startIdleRig } from './idle-rig.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Mode {
  begin(idle: IdleRig): Promise<unknown>;
  end(idle: IdleRig): Promise<unknown>;
  /** The one switch holds destruction back, and no pause. */
  readonly mayPause: boolean;
}

const MODES: Readonly<Record<string, Mode>> = {
  adopt_only: {
    mayPause: false,
    begin: ({ system: { store }, nowMs }) => store.automation.enterAdoptOnly('guests nobody knows', nowMs()),
    end: ({ system: { store }, nowMs }) => store.automation.confirm('ada', nowMs()),
  },
  observing: {
    mayPause: false,
    begin: ({ system: { store } }) =>
      store.redis.hincrby(store.keys.deployment, 'heartbeatMs', -HEARTBEAT_OLD_MS - 60_000),
    end: ({ system: { store } }) => store.automation.endObservation(),
  },
  off: {
    mayPause: true,
    begin: ({ system: { store }, nowMs }) => store.automation.switchDestruction('off', 'ada', nowMs()),
    end: ({ system: { store }, nowMs }) => store.automation.switchDestruction('on', 'ada', nowMs()),
  },
};

test.each(Object.entries(MODES))(
  '%s: no sweep does what that mode holds back, and all of it once the mode has ended',
  async (name, mode) => {
    const idle = await startIdleRig({ ...ENFORCE, retainPausedMs: HOUR_MS });
    closers.push(idle.close);
    const [used, expiring, kept] = [
      await idle.start(),
      await idle.start({ ttlSeconds: 60, onExpiry: 'destroy' }),
      await idle.start(),
    ];
    await idle.run('idle-suspend');
    await idle.producer.pause(kept.id);
    await mode.begin(idle);

    const suspended = await idle.pass(20);
    expect((await idle.system.store.automation.read()).mode).toBe(name);
    // The other one that runs is as idle.
    expect(suspended.suspended).toBe(mode.mayPause ? 2 : 0);
    expect(await idle.pass(1, { sweep: 'expire' })).toMatchObject({ destroyed: 0, refused: 1 });
    const retained = await idle.pass(130, { sweep: 'retention' });
    expect(retained.destroyed).toBe(0);
    expect(retained.refused).toBeGreaterThan(0);
    for (const { id } of [used, expiring]) await idle.state(id, mode.mayPause ? 'paused' : 'running');
    await idle.state(kept.id, 'paused');

    await mode.end(idle);
    expect(await idle.pass(1, { sweep: 'expire' })).toMatchObject({ destroyed: 1 });
    await idle.state(expiring.id, 'destroyed');
    await idle.pass(61, { sweep: 'retention' });
    await idle.state(kept.id, 'destroyed');
  },
);
