import { describe, expect, it } from 'vitest';
import { eventually, SNAPSHOT, simulate, visit } from './support.ts';

describe('the account of simulated Morph', () => {
  it('answers starts and resumes with 402 once its credits are exhausted, and still pauses and deletes', async () => {
    const { morph, morphApi } = await simulate();
    const { id } = await morphApi.start();
    morph.operator.setCreditsExhausted(true);
    const start = await morphApi.call('POST', `/instance?snapshot_id=${SNAPSHOT.id}`, {});
    expect([start.status, start.body]).toEqual([402, { detail: 'Payment required' }]);
    expect((await morphApi.call('POST', `/instance/${id}/pause`)).status).toBe(200);
    expect((await morphApi.call('POST', `/instance/${id}/resume`)).status).toBe(402);
    morph.operator.setCreditsExhausted(false);
    expect((await morphApi.call('POST', `/instance/${id}/resume`)).status).toBe(200);
    morph.operator.setCreditsExhausted(true);
    expect((await morphApi.call('DELETE', `/instance/${id}`)).status).toBe(204);
  });

  it('does not let a visitor wake an instance it cannot pay for', async () => {
    const { morph, morphApi, gatewayUrl } = await simulate();
    const { id } = await morphApi.start();
    await morphApi.call('POST', `/instance/${id}/wake-on`, { wake_on_http: true });
    await morphApi.call('POST', `/instance/${id}/pause`);
    morph.operator.setCreditsExhausted(true);
    expect((await visit(gatewayUrl, id)).status).toBe(503);
    expect(morph.inventory().instances[0]?.status).toBe('paused');
  });

  it('counts what runs in its quota', async () => {
    const { morphApi } = await simulate();
    const used = async () => {
      const { body } = await morphApi.call('GET', '/user/service/quota');
      const quotas = body.services[0].quotas as { quota_code: string; used_value: number }[];
      return Object.fromEntries(quotas.map((quota) => [quota.quota_code, quota.used_value]));
    };
    const { id } = await morphApi.start();
    expect(await used()).toEqual({ vcpus: 4, memory_mb: 8192, disk_mb: 32_768 });
    await morphApi.call('POST', `/instance/${id}/pause`);
    expect(await used()).toEqual({ vcpus: 0, memory_mb: 0, disk_mb: 32_768 });
  });

  it('gives the same ids for the same seed', async () => {
    const idsOf = async (seed: number) => {
      const { morphApi } = await simulate({}, { seed });
      return [(await morphApi.start()).id, (await morphApi.start()).id];
    };
    const ids = await idsOf(5);
    expect(new Set(ids).size).toBe(2);
    expect(await idsOf(5)).toEqual(ids);
    expect(await idsOf(6)).not.toEqual(ids);
  });

  it('can be steered from outside, as the cluster can', async () => {
    const { gatewayUrl, morphApi, api } = await simulate({ nodes: ['pve1', 'pve2'] });
    const operate = (order: Record<string, unknown>) =>
      fetch(`${gatewayUrl}/simulator/operator`, { method: 'POST', body: JSON.stringify(order) });
    await operate({ action: 'credits-exhausted', exhausted: true });
    expect((await morphApi.call('POST', `/instance?snapshot_id=${SNAPSHOT.id}`, {})).status).toBe(402);
    await operate({ action: 'node-offline', node: 'pve2', offline: true });
    expect((await api.get('/nodes/pve2/status')).status).toBe(595);
    await operate({ action: 'quorum', quorate: false });
    expect((await api.post(`${api.vm(9000)}/status/start`)).reason).toBe('cluster not ready - no quorum?');
    await operate({ action: 'ha', vmid: 9000, managed: true });
    await eventually(async () => (await api.status(9000)).ha.managed === 1);
    expect((await operate({ action: 'node-offline', node: 'pve9', offline: true })).status).toBe(400);
  });
});
