/** Caddy as the example sets it up, in front of a service: only names, ports and the certificate are others. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Http, startHttp } from '../../src/main/http.ts';
import { loadConfig } from '../../src/platform/config.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/redis.ts';
import { PRESET, startTestSystem, type TestSystem } from '../support/system.ts';

const CADDY = '/usr/bin/caddy';
const CADDYFILE = 'deploy/caddy/Caddyfile';

describe.skipIf(!existsSync(CADDY))('behind Caddy', () => {
  let system: TestSystem;
  let http: Http;
  let caddy: ChildProcess;
  let folder: string;
  let publicUrl: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cmux-lifecycle-caddy-'));
    const port = await freePort();
    publicUrl = `https://localhost:${port}`;
    system = await startTestSystem();
    const config = { ...loadConfig({}), deployment: system.options.deployment, publicUrl };
    const address = { host: '127.0.0.1', port: 0, trustProxy: true };
    http = await startHttp(system.system, { ...config, http: address }, system.options.log);

    const file = join(folder, 'Caddyfile');
    writeFileSync(file, adapted(port, new URL(http.url).host));
    caddy = spawn(CADDY, ['run', '--adapter', 'caddyfile', '--config', file], {
      stdio: 'ignore',
      env: { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    });
  });
  afterAll(async () => {
    const gone = caddy && once(caddy, 'exit');
    caddy?.kill();
    await gone;
    await http?.close();
    await system?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The example under a name of this machine, with a certificate that Caddy makes by itself. */
  function adapted(port: number, upstream: string): string {
    const options = '{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n';
    const site = readFileSync(CADDYFILE, 'utf8')
      .replace('\nlifecycle.example.com {', `\nhttps://localhost:${port} {\n\ttls internal`)
      .replace('reverse_proxy 127.0.0.1:8787', `reverse_proxy ${upstream}`);
    return options + site;
  }

  it('each event arrives while the stream is open, over HTTP/2', async () => {
    const root = join(folder, 'caddy/pki/authorities/local/root.crt');
    await eventually('Caddy made its certificate', () => existsSync(root));
    const session = connect(publicUrl, { ca: readFileSync(root) });
    const stream = session.request({ ':path': '/v1/events', 'accept-encoding': 'gzip' });
    let text = '';
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    const [headers] = await once(stream, 'response');
    expect(headers).toMatchObject({ ':status': 200, 'content-type': 'text/event-stream', server: 'Caddy' });

    const { id } = await system.producer.start({ preset: PRESET });
    for (const state of ['requested', 'starting', 'running']) {
      await eventually(`${state} was told`, () => text.includes(`"to":"${state}"`));
    }
    await system.producer.pause(id);
    await eventually('the pause was told', () => text.includes('"to":"paused"'));
    expect({ closed: stream.closed, destroyed: stream.destroyed }).toEqual({
      closed: false,
      destroyed: false,
    });
    session.destroy();
  });
});
