import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { exposeBody, startBody, ttlBody, wakeBody } from '../../src/simulators/morph/morph-bodies.ts';
import { createCluster } from '../../src/simulators/pve/cluster.ts';
import { DEFAULT_PVE_LATENCY } from '../../src/simulators/pve/pve-options.ts';
import { createPveRoutes } from '../../src/simulators/pve/pve-simulator.ts';
import type { PveWorld } from '../../src/simulators/pve/pve-world.ts';
import {
  CONTRACTS,
  hasContracts,
  jsonProblems,
  pveProblems,
  readMorphContract,
  readPveContract,
  type Schema,
} from './contract.ts';
import { CT_TEMPLATE, eventually, SNAPSHOT, simulate, TEMPLATE } from './support.ts';

if (!hasContracts)
  process.stderr.write(`no contracts at ${CONTRACTS.pathname}: contract tests are skipped\n`);

const VMID = 20_001;
const CTID = 20_100;

/** Endpoints of Proxmox that the schema snapshot leaves out. */
const NOT_IN_CONTRACT = ['/cluster/status'];

function routesOf(version: string) {
  const [major = 9, minor = 0] = version.split('.').map(Number);
  const world: Partial<PveWorld> = {
    version: { text: version, major, minor },
    latency: DEFAULT_PVE_LATENCY,
    pools: [],
    cluster: createCluster([], Date.now),
  };
  // Making the table touches nothing else of the world.
  return createPveRoutes(world as PveWorld).filter(({ path }) => !NOT_IN_CONTRACT.includes(path));
}

/** What both sides must agree on; formats are checked by the tests of single parameters. */
function essence({ type, optional, requires, min, max, maxLength, enum: words }: Schema) {
  return { type, optional: Boolean(optional), requires, min, max, maxLength, words };
}

describe.skipIf(!hasContracts).each(['8.4.5', '9.2.3'])(
  'simulated Proxmox %s against its schema',
  (version) => {
    it('has exactly the parameters of the schema, of the same type and equally optional', () => {
      const contract = readPveContract(version);
      for (const { method, path, parameters } of routesOf(version)) {
        const official = contract.method(path, method);
        expect(official, `${method} ${path}`).toBeDefined();
        const described = Object.entries(official?.parameters ?? {}).map(([name, given]) => {
          return [name, essence(contract.resolve(given))] as const;
        });
        const ours = Object.entries(parameters).map(([name, spec]) => [name, essence(spec)] as const);
        expect(Object.fromEntries(ours), `${method} ${path}`).toEqual(Object.fromEntries(described));
      }
    });

    it('answers every endpoint in the shape of the schema, through whole lives of a VM and a container', async () => {
      const contract = readPveContract(version);
      const { api, pve } = await simulate({
        version,
        pools: ['agents'],
        templates: [TEMPLATE, CT_TEMPLATE],
      });
      const answered = new Set<string>();
      const check = async (
        verb: string,
        path: string,
        place: string,
        body?: Record<string, string | number>,
      ) => {
        const reply = await api.call(verb, place, body === undefined ? {} : { body });
        expect([reply.status, reply.reason], `${verb} ${place}`).toEqual([200, 'OK']);
        const schema = contract.method(path, verb)?.returns ?? {};
        // Only here the wire differs from the schema: a string where it says integer.
        const data = path === '/cluster/nextid' ? Number(reply.body.data) : reply.body.data;
        expect(pveProblems(contract, schema, data), `${verb} ${place}`).toEqual([]);
        answered.add(`${verb} ${path}`);
        return data;
      };
      const node = '/nodes/{node}';
      const ct = `${node}/lxc/{vmid}`;
      const vm = `${node}/qemu/{vmid}`;
      const sourceOf = (path: string) => {
        if (path.includes('/lxc/')) return path.endsWith('/clone') ? CT_TEMPLATE.vmid : CTID;
        return path.endsWith('/clone') ? TEMPLATE.vmid : VMID;
      };
      const run = async (verb: string, path: string, body?: Record<string, string | number>) => {
        const source = sourceOf(path);
        const upid = await check(
          verb,
          path,
          path.replace('{node}', 'pve1').replace('{vmid}', String(source)),
          body,
        );
        const task = `/nodes/pve1/tasks/${encodeURIComponent(upid)}`;
        await check('GET', `${node}/tasks/{upid}/status`, `${task}/status`);
        expect(await api.ended(upid)).toBe('OK');
        await check('GET', `${node}/tasks/{upid}/status`, `${task}/status`);
        await check('GET', `${node}/tasks/{upid}/log`, `${task}/log`);
      };
      const look = async () => {
        for (const at of [
          '/version',
          '/nodes',
          '/cluster/resources',
          '/cluster/nextid',
          '/cluster/tasks',
          '/access/permissions',
          '/pools',
        ]) {
          await check('GET', at, at);
        }
        for (const at of ['/status', '/storage', '/qemu', '/lxc', '/tasks'])
          await check('GET', `${node}${at}`, `/nodes/pve1${at}`);
        await check('GET', `${node}/storage/{storage}/status`, '/nodes/pve1/storage/local-lvm/status');
        await check('GET', '/pools', '/pools?poolid=agents');
        await check('GET', `${node}/qemu`, '/nodes/pve1/qemu?full=1');
        await check('GET', `${vm}/config`, `${api.vm(TEMPLATE.vmid)}/config`);
        await check('GET', `${ct}/config`, `${api.ct(CT_TEMPLATE.vmid)}/config`);
        await check('GET', `${ct}/status/current`, `${api.ct(CT_TEMPLATE.vmid)}/status/current`);
        if (pve.inventory().guests.some(({ vmid }) => vmid === VMID)) {
          await check('GET', `${vm}/status/current`, `${api.vm(VMID)}/status/current`);
          await check('GET', `${vm}/config`, `${api.vm(VMID)}/config`);
        }
      };
      const liveAsContainer = async () => {
        await run('POST', `${ct}/clone`, { newid: CTID, hostname: 'pvelxc-1a2b3c4d', pool: 'agents' });
        await check('PUT', `${ct}/config`, `${api.ct(CTID)}/config`, { tags: 'a,b', protection: 0 });
        await run('POST', `${ct}/status/start`);
        await check('GET', `${ct}/interfaces`, `${api.ct(CTID)}/interfaces`);
        await check('GET', `${ct}/status/current`, `${api.ct(CTID)}/status/current`);
        await look();
        await run('POST', `${ct}/status/suspend`);
        await run('POST', `${ct}/status/resume`);
        await run('POST', `${ct}/status/reboot`);
        await run('POST', `${ct}/status/shutdown`);
        await run('POST', `${ct}/status/start`);
        await run('POST', `${ct}/status/stop`);
        await check('POST', `${ct}/template`, `${api.ct(CTID)}/template`);
        await eventually(async () => (await api.get(`${api.ct(CTID)}/config`)).body.data.template);
        await run('DELETE', ct);
      };

      await look();
      await liveAsContainer();
      await run('POST', `${vm}/clone`, { newid: VMID, name: 'pvevm-1a2b3c4d', pool: 'agents' });
      await check('PUT', `${vm}/config`, `${api.vm(VMID)}/config`, { tags: 'a,b', protection: 0 });
      await run('POST', `${vm}/config`, { description: 'marker' });
      await run('POST', `${vm}/status/start`);
      await check('POST', `${vm}/agent/ping`, `${api.vm(VMID)}/agent/ping`);
      const interfaces = `${vm}/agent/network-get-interfaces`;
      await check('GET', interfaces, `${api.vm(VMID)}/agent/network-get-interfaces`);
      const exec = { command: 'tee', 'input-data': 'x' };
      await check('GET', `${vm}/agent/get-time`, `${api.vm(VMID)}/agent/get-time`);
      const { pid } = await check('POST', `${vm}/agent/exec`, `${api.vm(VMID)}/agent/exec`, exec);
      const done = `${api.vm(VMID)}/agent/exec-status?pid=${pid}`;
      await check('GET', `${vm}/agent/exec-status`, done);
      await look();
      await run('POST', `${vm}/status/suspend`, { todisk: 1 });
      await look();
      await run('POST', `${vm}/status/resume`);
      await run('POST', `${vm}/status/reboot`);
      await run('POST', `${vm}/status/shutdown`);
      await run('POST', `${vm}/status/stop`);
      await look();
      await run('DELETE', vm);
      const upid = (await api.post(`${api.vm(VMID)}/status/start`)).body.data;
      await check('DELETE', `${node}/tasks/{upid}`, `/nodes/pve1/tasks/${encodeURIComponent(upid)}`);

      const all = routesOf(version).map(({ method, path }) => `${method} ${path}`);
      expect([...answered].toSorted()).toEqual(all.toSorted());
    });
  },
);

describe.skipIf(!hasContracts)('simulated Morph against its schema', () => {
  it.each([
    { path: '/instance', schema: startBody, added: ['snapshot_id'] },
    { path: '/instance/{instance_id}/ttl', schema: ttlBody, added: [] },
    { path: '/instance/{instance_id}/wake-on', schema: wakeBody, added: [] },
    { path: '/instance/{instance_id}/http', schema: exposeBody, added: [] },
  ])('takes the body of POST $path', ({ path, schema, added }) => {
    const { operation, resolve } = readMorphContract();
    const body = operation(path, 'post')?.body ?? {};
    const official = resolve(body.anyOf?.[0] ?? body);
    const ours = z.toJSONSchema(schema, { io: 'input' });
    const object =
      (ours.anyOf ?? [])
        .flatMap((option) => option.anyOf ?? [option])
        .find(({ type }) => type === 'object') ?? ours;
    expect(Object.keys(object.properties ?? {}).toSorted()).toEqual(
      [...Object.keys(official.properties ?? {}), ...added].toSorted(),
    );
    expect(object.required ?? []).toEqual(official.required ?? []);
  });

  it('answers every endpoint in the shape of the schema, with no field the schema does not know', async () => {
    const { operation, resolve } = readMorphContract();
    const { morphApi } = await simulate();
    const check = async (
      verb: string,
      path: string,
      place: string,
      { body, status = 200 }: { body?: unknown; status?: number } = {},
    ) => {
      const reply = await morphApi.call(verb.toUpperCase(), place, body);
      expect(reply.status, `${verb} ${place}`).toBe(status);
      const contract = operation(path, verb)?.responses[String(status)];
      expect(contract, `${verb} ${path} ${status}`).toBeDefined();
      if (contract?.schema)
        expect(jsonProblems(resolve, contract.schema, reply.body), `${verb} ${place}`).toEqual([]);
      return reply.body;
    };
    const body = { metadata: { app: 'cmux' }, ttl_seconds: 3600, ttl_action: 'pause' };
    const { id } = await check('post', '/instance', `/instance?snapshot_id=${SNAPSHOT.id}`, { body });
    const at = '/instance/{instance_id}';
    await check('post', '/instance', '/instance', { body: { metadata: 1 }, status: 422 });
    await check('get', at, `/instance/${id}`);
    await morphApi.becomes(id, 'ready');
    await check('get', at, `/instance/${id}`);
    await check('get', '/instance', '/instance?metadata[app]=cmux');
    await check('get', '/instance/list', '/instance/list');
    await check('post', `${at}/ttl`, `/instance/${id}/ttl`, { body: { ttl_seconds: null } });
    await check('post', `${at}/wake-on`, `/instance/${id}/wake-on`, { body: { wake_on_http: true } });
    await check('post', `${at}/metadata`, `/instance/${id}/metadata`, { body: { a: 'b' } });
    await check('post', `${at}/http`, `/instance/${id}/http`, {
      body: { name: 'dev', port: 3000, auth_mode: 'api_key' },
    });
    await check('delete', `${at}/http/{service_name}`, `/instance/${id}/http/dev`);
    await check('post', `${at}/pause`, `/instance/${id}/pause`);
    await check('post', `${at}/resume`, `/instance/${id}/resume`);
    await check('delete', at, `/instance/${id}`, { status: 204 });
    await check('get', '/snapshot', '/snapshot');
    await check('get', '/snapshot/{snapshot_id}', `/snapshot/${SNAPSHOT.id}`);
    await check('get', '/user/service/quota', '/user/service/quota');
    await check('get', '/user/service/usage', '/user/service/usage');
    await check('get', '/user/service/usage', '/user/service/usage?interval=5d');
    await check('get', '/user/service/usage', '/user/service/usage?interval=week', { status: 422 });
  });
});
