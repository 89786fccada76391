import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startSimulators } from '../../src/simulators/simulators.ts';
import { eventually, simulate, TEMPLATE, visit } from './support.ts';

const VMID = 20_001;
const NAME = 'pvevm-00004e21';

function temporaryFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'simulators-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'data', 'simulators.json');
}

describe('the gateway', () => {
  it('answers for a guest once its services are up, and says that it is simulated', async () => {
    const { api, gatewayUrl } = await simulate({ latency: { servicesMs: 500 } });
    expect(await visit(gatewayUrl, NAME)).toMatchObject({ status: 404, body: { simulated: true } });
    await api.clone(VMID);
    expect(await visit(gatewayUrl, NAME)).toMatchObject({ status: 503, body: { simulated: true } });
    await api.start(VMID);
    expect((await visit(gatewayUrl, NAME)).status).toBe(503);
    await eventually(async () => ((await visit(gatewayUrl, NAME)).status === 200 ? true : undefined));
  });

  it('prefers, of two guests with one name, the one that answers', async () => {
    const { api, gatewayUrl } = await simulate();
    await api.clone(VMID, 'twin');
    await api.clone(20_002, 'twin');
    await api.start(20_002);
    await eventually(async () => ((await visit(gatewayUrl, 'twin')).status === 200 ? true : undefined));
  });
});

describe('control from outside the process', () => {
  it('shows the inventory, adds and clears faults, and takes a side down and up', async () => {
    const { api, gatewayUrl, morphApi, pve } = await simulate();
    const post = async (path: string, body: unknown) => {
      const response = await fetch(`${gatewayUrl}/simulator/${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    const { id } = await morphApi.start();
    const inventory = await (await fetch(`${gatewayUrl}/simulator/inventory`)).json();
    expect(inventory).toMatchObject({
      simulated: true,
      pve: {
        simulated: true,
        guests: [{ vmid: TEMPLATE.vmid, template: true, status: 'stopped', bootCount: 0 }],
      },
      morph: { simulated: true, instances: [{ id, status: 'ready', bootCount: 1 }] },
    });

    const rules = [{ path: 'version', action: { kind: 'error', status: 500, message: 'planned' } }];
    expect((await post('faults', { target: 'pve', rules })).status).toBe(200);
    expect((await api.get('/version')).reason).toBe('planned');
    await fetch(`${gatewayUrl}/simulator/faults`, { method: 'DELETE' });
    expect((await api.get('/version')).status).toBe(200);

    await post('down', { target: 'pve', down: true });
    await expect(api.get('/version')).rejects.toThrow();
    await post('down', { target: 'pve', down: false });
    expect((await api.get('/version')).status).toBe(200);

    pve.operator.lock(TEMPLATE.vmid, 'backup');
    await post('operator', { action: 'unlock', vmid: TEMPLATE.vmid });
    expect(pve.inventory().guests[0]).not.toHaveProperty('lock');
  });

  it('explains what it does not take', async () => {
    const { gatewayUrl } = await simulate();
    const body = JSON.stringify({ target: 'pve', rules: [{ action: { kind: 'explode' } }] });
    const response = await fetch(`${gatewayUrl}/simulator/faults`, { method: 'POST', body });
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { error: expect.stringMatching(/kind|action/) },
    ]);
    expect((await fetch(`${gatewayUrl}/simulator/nonsense`)).status).toBe(404);
  });
});

describe('the data file', () => {
  it('lets guests survive a restart: running ones ran on, hibernated ones kept their memory', async () => {
    const dataFile = temporaryFile();
    const first = await simulate({}, { dataFile });
    for (const vmid of [VMID, 20_002]) {
      await first.api.clone(vmid);
      await first.api.start(vmid);
    }
    await eventually(() => (first.pve.inventory().guests[1]?.counter ?? 0) >= 1 || undefined);
    await first.api.suspend(20_002);
    const instance = await first.morphApi.start({
      metadata: { app: 'cmux' },
      ttl_seconds: 3600,
      ttl_action: 'pause',
    });
    const before = first.pve.inventory().guests;
    await first.close();
    await first.close();
    expect(readdirSync(join(dataFile, '..'))).toEqual(['simulators.json']);

    const second = await simulate({}, { dataFile });
    const after = second.pve.inventory().guests;
    expect(after.map(({ counter: _, ...rest }) => rest)).toEqual(
      before.map(({ counter: _, ...rest }) => rest),
    );
    expect(after[1]?.counter).toBeGreaterThanOrEqual(before[1]?.counter ?? 0);
    expect(after[2]?.counter).toBe(before[2]?.counter);
    expect(await second.api.task('POST', `${second.api.vm(20_002)}/status/resume`)).toBe('OK');
    expect(second.morph.inventory().instances).toMatchObject([{ id: instance.id, status: 'ready' }]);
  });

  it('counts tasks under way at the restart as killed workers', async () => {
    const dataFile = temporaryFile();
    const first = await simulate({ latency: { cloneMs: 5000 } }, { dataFile });
    const upid = (await first.api.post(`${first.api.vm(TEMPLATE.vmid)}/clone`, { newid: VMID })).body.data;
    await eventually(() => first.pve.inventory().guests.find(({ lock }) => lock === 'clone'));
    await first.close();
    const second = await simulate({}, { dataFile });
    expect(await second.api.ended(upid)).toBe('unexpected status');
    expect(await second.api.status(VMID)).toMatchObject({ lock: 'clone' });
  });

  it('is written while the simulators run', async () => {
    const dataFile = temporaryFile();
    const first = await simulate({}, { dataFile });
    await first.api.clone(VMID);
    await eventually(
      () => (existsSync(dataFile) && /"vmid":20001/.test(readFileSync(dataFile, 'utf8'))) || undefined,
    );
  });

  it('keeps what it holds of a side that is not simulated this time', async () => {
    const dataFile = temporaryFile();
    const first = await simulate({}, { dataFile });
    await first.api.clone(VMID);
    await first.close();
    await (await startSimulators({ dataFile })).close();
    const third = await simulate({}, { dataFile });
    expect(third.pve.inventory().guests).toHaveLength(2);
  });

  it('is refused when it is not ours', async () => {
    const dataFile = temporaryFile().replace('/data/', '/');
    writeFileSync(dataFile, 'not json');
    await expect(startSimulators({ dataFile })).rejects.toThrow(/not a simulator data file/);
  });
});

describe('a start that fails', () => {
  it('frees the ports it had taken', async () => {
    const { gatewayUrl, morph } = await simulate();
    const port = Number(new URL(morph.url).port);
    const options = {
      pve: { token: 'a@pve!b=c', templates: [], port: 0 },
      morph: { apiKey: 'k', snapshots: [], port },
    };
    await expect(startSimulators(options)).rejects.toThrow(/EADDRINUSE/);
    const probe = await startSimulators({});
    const free = Number(new URL(probe.gatewayUrl).port);
    await probe.close();
    await expect(startSimulators({ ...options, gatewayPort: free })).rejects.toThrow(/EADDRINUSE/);
    await (await startSimulators({ gatewayPort: free })).close();
    expect((await visit(gatewayUrl, 'nobody')).status).toBe(404);
  });
});
