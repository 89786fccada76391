/** What the page tells, as text: the browser's own part is in browser.test.ts. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type FleetWorld, REMEDY, startFleetWorld } from './fleet-world.ts';

let world: FleetWorld;
beforeAll(async () => {
  world = await startFleetWorld();
});
afterAll(() => world.close());

async function page(token: string, path = '/'): Promise<string> {
  const response = await fetch(world.http.url + path, { headers: { authorization: `Bearer ${token}` } });
  expect(response.status).toBe(200);
  return response.text();
}

/** The answer to one of the questions. */
function section(html: string, id: string): string {
  return html.split('<section ').find((part) => part.startsWith(`aria-labelledby="${id}"`)) ?? '';
}

test('what needs me: a stuck sandbox with its exact command, and a start that failed with its reason', async () => {
  const needs = section(await page(world.tokens.viewer), 'needs');
  const { stuck, failed } = world.sandboxes;
  expect(needs).toContain(`${stuck.id} is stuck on pve-vm`);
  expect(needs).toContain(REMEDY);
  expect(failed).toMatch(/^sbx-/);
  expect(needs).toContain(failed);
  expect(needs).toMatch(/pve-vm: .*ECONNREFUSED/);
});

test('what needs me: an alert with what to do and where to read on, for those who see the whole fleet', async () => {
  const { alerts } = world.test.system.store;
  const alert = {
    name: 'template.locked',
    subject: '9100 (cmux-base)',
    message: 'locked since the morning',
  } as const;
  await alerts.raise({ ...alert, remediation: 'pct unlock 9100' }, Date.now());
  await pageWith('locked since the morning');
  const needs = section(await page(world.tokens.viewer), 'needs');
  expect(needs).toContain('template.locked in docs/runbook.md');
  expect(needs).toContain('pct unlock 9100');
  expect(section(await page(world.tokens.team), 'needs')).not.toContain('locked since the morning');
  await alerts.clear(alert, Date.now());
});

test('what runs: each sandbox with its state, where it is, and its endpoints only while it runs', async () => {
  const table = section(await page(world.tokens.viewer), 'sandboxes');
  const { running, paused } = world.sandboxes;
  for (const text of [running.id, running.guestId, 'team-blue', 'run-checkout-flow', 'memory kept']) {
    expect(table).toContain(text);
  }
  const rowOf = (id: string) => table.split('<tr>').find((row) => row.includes(id)) ?? '';
  expect(rowOf(running.id)).toContain(`href="${running.endpoints.vscode}"`);
  expect(rowOf(paused.id)).not.toContain('href=');
});

test('why is this on Morph: the failure of each attempt before', async () => {
  const fallbacks = section(await page(world.tokens.viewer), 'fallbacks');
  expect(fallbacks).toContain(world.sandboxes.onMorph.id);
  expect(fallbacks).toMatch(/pve-vm.*attempt 1.*ECONNREFUSED/);
  expect(fallbacks).not.toContain(world.sandboxes.running.id);
});

test('will it fit: a bar per node and storage; where nothing is published it says so', async () => {
  const { store } = world.test.system;
  const [status] =
    (await store.deployment.view())?.statuses.filter(({ provider }) => provider === 'morph') ?? [];
  if (status === undefined) throw new Error('morph has published nothing');
  expect(section(await page(world.tokens.viewer), 'capacity')).toContain('not ours to watch');
  await store.deployment.publishStatus({
    ...status,
    capacity: {
      nodes: [
        {
          node: 'pve9',
          online: true,
          cordoned: true,
          memoryMib: 102_400,
          usedMib: 76_800,
          reservedMib: 20_480,
        },
      ],
      storages: [{ node: 'pve9', storage: 'zfs9', totalMib: 1_048_576, usedMib: 524_288 }],
    },
  });
  const capacity = section(await pageWith('pve9'), 'capacity');
  expect(capacity).toContain('aria-label="memory of pve9: 75 GiB used of 100 GiB, 20 GiB kept free"');
  expect(capacity).toContain('room for 5 GiB · ');
  expect(capacity).toContain('cordoned');
  expect(capacity).toContain('aria-label="storage zfs9 on pve9: 512 GiB used of 1 TiB"');
});

/** One snapshot serves everybody for two seconds, so news may take that long. */
function pageWith(text: string): Promise<string> {
  return eventually(`the page shows ${text}`, async () => {
    const html = await page(world.tokens.viewer);
    return html.includes(text) ? html : undefined;
  });
}

test('what happens next: every queue, and every sweep with its next run', async () => {
  const upcoming = section(await page(world.tokens.viewer), 'upcoming');
  for (const text of ['pve-vm', 'morph', 'rescue-operations', 'discard-condemned']) {
    expect(upcoming).toContain(text);
  }
  expect(upcoming).toMatch(/rescue-operations.* in \d+ s|rescue-operations.* in now/);
});

test('what happens by itself: the mode with its reason, the switch, and guests nobody answers for, not for one team', async () => {
  const { store } = world.test.system;
  const { guestId, id } = world.sandboxes.onMorph;
  expect(section(await page(world.tokens.viewer), 'upcoming')).toContain('automatic destruction is on');

  await store.automation.switchDestruction('off', 'ada', Date.now());
  // In its record too: an index that says otherwise is mended within moments.
  const guest = store.keys.guest(guestId ?? '');
  await store.redis
    .multi()
    .hset(guest, 'state', 'unowned')
    .zadd(store.keys.guestsUnowned, 1, guestId ?? '')
    .exec();
  await pageWith('automatic destruction was switched off by ada');
  const upcoming = section(await page(world.tokens.viewer), 'upcoming');
  expect(upcoming).toContain('destruction is off');
  expect(upcoming).toContain(guestId);
  const ofTeam = section(await page(world.tokens.team), 'upcoming');
  expect(ofTeam).not.toContain(guestId);
  expect(ofTeam).not.toContain(id);

  await store.automation.switchDestruction('on', 'ada', Date.now());
  await store.redis
    .multi()
    .hset(guest, 'state', 'live')
    .zrem(store.keys.guestsUnowned, guestId ?? '')
    .exec();
});

test('actions are offered to operators, the audit log to admins', async () => {
  const offers = async (token: string) => {
    const html = await page(token);
    return [
      html.includes('data-action="pause"'),
      html.includes('id="confirm"'),
      section(html, 'audit') !== '',
    ];
  };
  expect(await offers(world.tokens.viewer)).toEqual([false, false, false]);
  expect(await offers(world.tokens.operator)).toEqual([true, true, false]);
  expect(await offers(world.tokens.admin)).toEqual([true, true, true]);
});

test('a token of one team sees that team only, and no queues', async () => {
  const html = await page(world.tokens.team);
  expect(html).toContain(world.sandboxes.running.id);
  for (const id of [world.sandboxes.stuck.id, world.sandboxes.onMorph.id, world.sandboxes.failed]) {
    expect(html).not.toContain(id);
  }
  expect(html).not.toContain('href="/queues"');
  const headers = { authorization: `Bearer ${world.tokens.team}` };
  expect((await fetch(`${world.http.url}/queues/api/queues`, { headers })).status).toBe(403);
});

test('the table is filtered by state, and shrugs at a filter that is none', async () => {
  const paused = section(await page(world.tokens.viewer, '/?state=paused'), 'sandboxes');
  expect(paused).toContain(world.sandboxes.paused.id);
  expect(paused).not.toContain(world.sandboxes.running.id);
  expect(await page(world.tokens.viewer, '/?state=x&page=-1')).toContain(world.sandboxes.running.id);
});

test('what callers wrote is text on the page, never markup', async () => {
  const { producer } = world.test;
  const evil = '<img src=x onerror=alert(1)>';
  const { id } = await producer.start({ preset: '4vcpu_8gb_32gb', taskRunId: evil, teamId: evil });
  const html = await pageWith(id);
  expect(html).toContain('&lt;img src=x onerror=alert(1)&gt;');
  expect(html).not.toContain(evil);
  await producer.destroy(id);
});

test('everything simulated says so; nothing inline runs; no secret is on a page', async () => {
  const html = await page(world.tokens.admin);
  expect(html).toContain('SIMULATED');
  expect(html).not.toMatch(/<script(?![^>]* src=)|style="|\son\w+="/);
  for (const token of Object.values(world.tokens)) expect(html).not.toContain(token.slice(4));
});

test('an address with a slash too many leads to the page', async () => {
  const headers = { authorization: `Bearer ${world.tokens.viewer}` };
  const board = await fetch(`${world.http.url}/queues/`, { headers });
  expect({ status: board.status, url: board.url }).toEqual({ status: 200, url: `${world.http.url}/queues` });
  const unknown = await fetch(`${world.http.url}/nothing-here`, { headers });
  expect(unknown.status).toBe(404);
});

test('the board tells how many failed attempts are for a person', async () => {
  const list = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${world.http.url}/queues/api/queues`, { headers });
    return (
      (await response.json()) as { queues: { name: string; description: string; readOnlyMode: boolean }[] }
    ).queues;
  };
  const queue = (await list(world.tokens.viewer)).find(({ name }) => name === 'sandbox-pve-vm');
  expect(queue?.description).toMatch(/\. \d+ failed attempts: \d+ carried on elsewhere, 1 for you\. /);
  expect(queue?.readOnlyMode).toBe(true);
  expect((await list(world.tokens.operator)).map(({ readOnlyMode }) => readOnlyMode)).not.toContain(true);
});

test('a viewer can change nothing on the board, an operator can', async () => {
  const pause = (token: string) =>
    fetch(`${world.http.url}/queues/api/queues/sandbox-morph/pause`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}` },
    });
  expect((await pause(world.tokens.viewer)).status).toBe(403);
  const queue = world.test.system.queues.byProvider.get('morph');
  expect(await queue?.isPaused()).toBe(false);
  expect((await pause(world.tokens.operator)).status).toBe(200);
  expect(await queue?.isPaused()).toBe(true);
  await queue?.resume();
});

test('what happens next: who is suspended when and by which rule, and what shadow mode would have done', async () => {
  const { system } = world.test;
  const { activity, idle, redis, keys } = system.store;
  const { running } = world.sandboxes;
  // What the sweep over Proxmox passes on each minute: until then the wait is the longer one.
  const quiet = { atMs: Date.now(), cpuShare: 0.01, networkBytes: 0 };
  await activity.observe(new Map([[running.id, quiet]]), Date.now());
  await eventually('the sweep has looked', async () =>
    (await idle.upcoming(10)).some(({ sandboxId }) => sandboxId === running.id),
  );
  const today = new Date().toISOString().slice(0, 10);
  const counts = { 'shadow|suspended': 43, 'shadow|savedMs': 61 * 3_600_000, 'shadow|usedAgain': 2 };
  await redis.hset(keys.idle.day(today), counts);
  const sentence = 'would have suspended 43, saved 61 h, 2 used again within ten minutes';
  await pageWith(sentence);
  const upcoming = section(await page(world.tokens.viewer), 'upcoming');
  expect(upcoming).toContain('Shadow mode: idle sandboxes are counted and left alone.');
  const entry = upcoming.split('<li>').find((line) => line.includes(running.id)) ?? '';
  expect(entry).toMatch(/would be suspended in 1[45] min/);
  expect(entry).toContain('the limit (pve-vm) is 15 min');
  expect(entry).toContain('shadow mode would suspend it at');
  const ofTeam = section(await page(world.tokens.team), 'upcoming');
  expect(ofTeam).toContain(running.id);
  expect(ofTeam).not.toContain(world.sandboxes.onMorph.id);
  expect(ofTeam).not.toContain(sentence);
});
