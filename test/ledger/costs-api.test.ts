/** From a real start over HTTP to the bill, by both clients. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CostsView } from '../../src/core/costs.ts';
import { createFetchClient } from '../../src/producers/fetch-client.ts';
import { costsSchema } from '../../src/producers/http/schemas.ts';
import { expectError, expectShape, startTestApi, type TestApi } from '../api/support.ts';
import { PRESET } from '../support/system.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
  await api.test.system.store.costs.publishPrices({
    asOf: '2026-09-28',
    sources: [],
    morph: [
      {
        from: '2025-01-01',
        usdPerMcuHour: '0.05',
        mcuMemoryMib: 4_096,
        mcuDiskGib: 16,
        usdPerStoredGibHour: '0.00001',
      },
    ],
    nodes: [{ node: 'pve1', from: '2025-01-01', usdPerMonth: '60', memoryMib: 131_072, sharedMib: 8_192 }],
  });
  const { producer } = api.test;
  const onNode = await producer.start({ preset: PRESET, teamId: 'a', userId: '=ann' });
  await producer.pause(onNode.id);
  await producer.resume(onNode.id);
  await producer.destroy(onNode.id);
  await producer.start({ preset: PRESET, teamId: 'b', preferredProvider: 'morph' });
});
afterAll(() => api.close());

function sum(costs: CostsView): number {
  return costs.lines.reduce((before, { microUsd }) => before + microUsd, costs.others.microUsd);
}

describe('GET /v1/costs', () => {
  it('tells this month so far by provider, and lines that add up to the total', async () => {
    const { status, body } = await api.call('GET', '/v1/costs');
    expect(status).toBe(200);
    expectShape(costsSchema, body);
    expect(sum(body)).toBe(body.totalMicroUsd);
    const allocated = body.lines.filter(({ kind }: CostsView['lines'][number]) => kind === 'allocated');
    expect(allocated.map(({ group }: CostsView['lines'][number]) => group.provider).sort()).toEqual([
      'morph',
      'pve-vm',
    ]);
    expect(body.unpriced).toEqual([]);
    const [node] = body.nodes;
    expect(node.allocatedMicroUsd + node.idleMicroUsd + node.sharedMicroUsd).toBe(node.costMicroUsd);
  });

  it.each(['team', 'preset', 'user', 'sandbox', 'state', 'day', 'meantFor'])(
    'groups by %s',
    async (groupBy) => {
      const { body } = await api.call('GET', `/v1/costs?groupBy=${groupBy}`);
      expect(sum(body)).toBe(body.totalMicroUsd);
      for (const { kind, group } of body.lines) {
        if (kind === 'allocated') expect(Object.keys(group)).toEqual([groupBy]);
      }
    },
  );

  it('knows every state that a guest was in', async () => {
    const { body } = await api.call('GET', '/v1/costs?groupBy=provider,state');
    const states = body.lines
      .filter(({ kind }: CostsView['lines'][number]) => kind === 'allocated')
      .map(({ group }: CostsView['lines'][number]) => `${group.provider} ${group.state}`);
    expect(new Set(states)).toEqual(
      new Set(['morph running', 'pve-vm stored', 'pve-vm running', 'pve-vm paused']),
    );
  });

  it('tells a team of its own sandboxes, and of no node', async () => {
    const as = { name: 'team-b', role: 'viewer', teamId: 'b' } as const;
    const { body } = await api.call('GET', '/v1/costs?groupBy=team', { as });
    expect(body.lines.map(({ group }: CostsView['lines'][number]) => group)).toEqual([{ team: 'b' }]);
    expect(body.nodes).toEqual([]);
  });

  it('gives a spreadsheet, in which no text is a formula', async () => {
    const reply = await fetch(`${api.url}/v1/costs?groupBy=user&format=csv`);
    expect(reply.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    const [header, ...rows] = (await reply.text()).trim().split('\r\n');
    expect(header).toBe(
      'kind,user,node,usd,running_hours,paused_hours,stored_hours,condemned_hours,unowned_hours',
    );
    expect(rows.some((row) => row.startsWith("allocated,'=ann,,0."))).toBe(true);
  });

  it.each([
    ['from=yesterday', 'from'],
    ['from=2027-01-01&to=2026-01-01', 'later'],
    ['from=2020-01-01', '397 days'],
    ['groupBy=colour', 'groupBy'],
    ['limit=0', 'limit'],
  ])('refuses %s', async (query, word) => {
    const answer = await api.call('GET', `/v1/costs?${query}`);
    expectError(answer, 400, 'invalid_request');
    expect(answer.body.message).toContain(word);
  });

  it('says the same over both clients', async () => {
    const from = Date.now() - 60_000;
    const to = Date.now();
    const options = { fromMs: from, toMs: to, groupBy: ['team', 'state'], limit: 2 } as const;
    const overHttp = await createFetchClient({ baseUrl: api.url }).costs(options);
    expect(await api.test.producer.costs(options)).toEqual(overHttp);
    expect(overHttp.lines).toHaveLength(2);
    expect(sum(overHttp)).toBe(overHttp.totalMicroUsd);
  });
});
