import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { pveClient, simulate, TEMPLATE, TOKEN } from './support.ts';

describe('the HTTP manners of simulated Proxmox', () => {
  it('carries the first line of an error in the reason phrase and the whole of it in the body', async () => {
    const { api } = await simulate();
    const reply = await api.get(`${api.vm(105)}/status/current`);
    const message = "Configuration file 'nodes/pve1/qemu-server/105.conf' does not exist";
    expect(reply).toMatchObject({
      status: 500,
      reason: message,
      body: { data: null, message: `${message}\n` },
    });
    expect(reply.headers.get('connection')).toBe('close');
  });

  it('answers successes with data and keeps the connection', async () => {
    const { api } = await simulate();
    const reply = await api.get('/version');
    expect(reply).toMatchObject({ status: 200, body: { data: { version: '9.2.3', release: '9.2' } } });
    expect(reply.headers.get('connection')).toBe('keep-alive');
    expect(reply.headers.get('server')).toBe('pve-api-daemon/3.0');
  });

  it.each([
    { name: 'no credentials', headers: {}, reason: 'No ticket' },
    {
      name: 'a wrong secret',
      headers: { authorization: `PVEAPIToken=${TOKEN}x` },
      reason: 'Authentication failed!',
    },
  ])('answers $name with 401 and an empty body', async ({ headers, reason }) => {
    const { pve } = await simulate();
    const response = await fetch(`${pve.url}/api2/json/version`, { headers });
    expect([response.status, response.statusText, await response.text()]).toEqual([401, reason, '']);
    expect(response.headers.get('connection')).toBe('close');
  });

  it('takes a token after a space, and url-encoded', async () => {
    const { pve } = await simulate();
    for (const authorization of [`PVEAPIToken ${TOKEN}`, `PVEAPIToken=${encodeURIComponent(TOKEN)}`]) {
      expect((await fetch(`${pve.url}/api2/json/version`, { headers: { authorization } })).status).toBe(200);
    }
  });

  it('reports every bad parameter at once, in the words of the JSON schema', async () => {
    const { api } = await simulate();
    const reply = await api.post(`${api.vm(TEMPLATE.vmid)}/clone`, {
      name: 'under_score',
      full: 'true',
      nonsense: 1,
    });
    expect(reply).toMatchObject({ status: 400, reason: 'Parameter verification failed.' });
    expect(reply.body).toEqual({
      data: null,
      message: 'Parameter verification failed.\n',
      errors: {
        newid: 'property is missing and it is not optional',
        name: 'invalid format - value does not look like a valid DNS name\n',
        full: "type check ('boolean') failed - got 'true'",
        nonsense: 'property is not defined in schema and the schema does not allow additional properties',
      },
    });
  });

  it('calls a VMID below 100 a format error, before any range', async () => {
    const { api } = await simulate();
    const reply = await api.get('/cluster/nextid?vmid=99');
    expect(reply.body.errors).toEqual({ vmid: 'invalid format - value does not look like a valid VM ID\n' });
  });

  it('wants todisk where statestorage is given', async () => {
    const { api } = await simulate();
    const reply = await api.post(`${api.vm(105)}/status/suspend`, { statestorage: 'local-lvm' });
    expect(reply.body.errors).toEqual({ todisk: "missing property - 'statestorage' requires this property" });
  });

  it('refuses root-only options to every token', async () => {
    const { api } = await simulate();
    const reply = await api.del(`${api.vm(105)}?skiplock=1`);
    expect(reply).toMatchObject({
      status: 400,
      body: { errors: { skiplock: 'Only root may use this option.' } },
    });
  });

  it('checks permissions before parameters', async () => {
    const { api } = await simulate({ acl: { '/': ['VM.Audit'] } });
    const reply = await api.post(`${api.vm(105)}/status/start`, { nonsense: 1 });
    expect(reply).toMatchObject({ status: 403, reason: 'Permission check failed (/vms/105, VM.PowerMgmt)' });
  });

  it('lets the nearest path decide what a token may do', async () => {
    const { api } = await simulate({ acl: { '/': ['VM.Audit'], '/vms/9000': [] } });
    expect((await api.get('/nodes/pve1/qemu')).body.data).toEqual([]);
    expect((await api.get('/access/permissions?path=/vms/9000')).body.data).toEqual({ '/vms/9000': {} });
    expect((await api.get(`${api.vm(9000)}/config`)).status).toBe(403);
  });

  it('answers unknown paths and bodies where none belong with 501', async () => {
    const { api, pve } = await simulate();
    expect(await api.get('/nodes/pve1/foo')).toMatchObject({
      status: 501,
      reason: "Method 'GET /nodes/pve1/foo' not implemented",
    });
    expect(await api.del(api.vm(105), { body: { purge: 1 } })).toMatchObject({
      status: 501,
      reason: "Unexpected content for method 'DELETE'",
    });
    const chunked = await new Promise<string | undefined>((resolve, reject) => {
      const sent = request(`${pve.url}/api2/json/version`, { method: 'POST' }, (reply) =>
        resolve(reply.statusMessage),
      );
      sent.on('error', reject);
      sent.write('a=b');
      sent.end();
    });
    expect(chunked).toBe('chunked transfer encoding not supported');
  });

  it('takes JSON bodies with real booleans, and ignores the cache buster', async () => {
    const { api } = await simulate();
    const body = JSON.stringify({ newid: 20_001, full: false });
    const headers = { 'content-type': 'application/json' };
    const reply = await api.post(`${api.vm(TEMPLATE.vmid)}/clone?_dc=1`, body, { headers });
    expect(reply.status).toBe(200);
    expect(await api.ended(reply.body.data)).toBe('OK');
  });

  it('fails like a DNS lookup for a node nobody knows, and takes localhost', async () => {
    const { api } = await simulate();
    expect((await api.get('/nodes/pve7/qemu')).reason).toMatch(/^hostname lookup 'pve7' failed/);
    expect((await api.get('/nodes/localhost/qemu')).body.data).toHaveLength(1);
  });

  it('has no VM.Monitor on 9 and no VM.GuestAgent on 8', async () => {
    const { api } = await simulate();
    const eight = await simulate({ version: '8.4.10' });
    const names = (data: Record<string, Record<string, number>>) => Object.keys(data['/'] ?? {});
    const on9 = names((await api.get('/access/permissions')).body.data);
    const on8 = names((await pveClient(eight.pve.url).get('/access/permissions')).body.data);
    expect([on9.includes('VM.Monitor'), on9.includes('VM.GuestAgent.Audit')]).toEqual([false, true]);
    expect([on8.includes('VM.Monitor'), on8.includes('VM.GuestAgent.Audit')]).toEqual([true, false]);
  });

  it('closes a connection after a hundred requests', async () => {
    const { pve } = await simulate();
    const { Agent } = await import('node:http');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const headers = { authorization: `PVEAPIToken=${TOKEN}` };
    const connections: (string | undefined)[] = [];
    for (let i = 0; i < 101; i += 1) {
      connections.push(
        await new Promise((resolve, reject) => {
          request(`${pve.url}/api2/json/version`, { agent, headers }, (reply) => {
            reply.resume().on('end', () => resolve(reply.headers.connection));
          })
            .on('error', reject)
            .end();
        }),
      );
    }
    agent.destroy();
    expect(connections.indexOf('close')).toBe(99);
    expect(connections[100]).toBe('keep-alive');
  });
});
