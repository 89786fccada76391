/** What docker-compose.yml and the Dockerfile promise, read from the files: no engine is needed for it. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CREDENTIALS } from '../../src/platform/config-providers.ts';
import { SETTINGS } from '../../src/platform/config-schema.ts';
import { interpolate, readCompose } from './compose.ts';

const { services, volumes } = readCompose();
const everyService = Object.entries(services);

describe('docker-compose.yml', () => {
  it('has a Redis, one process that answers and two that work', () => {
    const always = everyService.filter(([, { profiles }]) => profiles === undefined).map(([name]) => name);
    expect(always).toEqual(['redis', 'api', 'worker']);
    expect(services.worker?.deploy.replicas).toBe(2);
  });

  it.each(everyService)('%s comes back by itself, is checked, and is bounded', (_name, service) => {
    expect(service.restart).toBe('unless-stopped');
    expect(service.healthcheck.test[0]).toMatch(/^CMD/);
    expect(service.deploy.resources.limits).toEqual({
      cpus: expect.stringMatching(/^\d+\.\d+$/),
      memory: expect.stringMatching(/^\d+[mg]$/),
    });
    expect(service.logging.options['max-size']).toBeDefined();
  });

  it.each(everyService)('%s is reached from this host alone', (_name, { ports = [] }) => {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it.each(everyService)('what %s refers to is there', (_name, service) => {
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      expect(services[other]?.healthcheck).toBeDefined();
      expect(condition).toBe('service_healthy');
    }
    for (const volume of service.volumes ?? []) {
      if (typeof volume === 'string') expect(volumes).toHaveProperty([volume.split(':')[0] ?? '']);
    }
    // What is not ours is checked by whoever made it.
    if (service.profiles !== undefined) return;
    for (const name of Object.keys(service.environment ?? {})) expect(SETTINGS).toContain(name);
  });

  it('has a Prometheus and a Grafana for those who want them, whose files are there', () => {
    const monitoring = everyService.filter(([, { profiles }]) => profiles?.includes('monitoring'));
    expect(monitoring.map(([name]) => name)).toEqual(['prometheus', 'grafana']);
    for (const [, { volumes: mounts = [] }] of monitoring) {
      const bound = mounts.flatMap((mount) => (typeof mount === 'string' ? [] : [mount.source]));
      expect(bound).not.toEqual([]);
      for (const source of bound) expect([source, existsSync(source)]).toEqual([source, true]);
    }
  });

  it('keeps its data and never evicts', () => {
    const words = services.redis?.command.join(' ');
    expect(words).toContain('--appendonly yes');
    expect(words).toContain('--maxmemory-policy noeviction');
    expect(services.redis?.volumes).toEqual(['redis-data:/data']);
  });

  it('gives what is reached from outside no credentials of a provider', () => {
    expect(services.api).not.toHaveProperty('env_file');
    for (const credential of CREDENTIALS) expect(services.api?.environment).not.toHaveProperty(credential);
  });

  it('runs ours without rights, and lets attempts end before it kills them', () => {
    for (const name of ['api', 'worker']) {
      expect(services[name]).toMatchObject({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
        init: true,
        stop_grace_period: '30s',
      });
    }
  });

  it('asks for the name of the deployment, and has defaults for the rest', () => {
    const { environment = {} } = services.api ?? {};
    expect(() => interpolate(environment, {})).toThrow('DEPLOYMENT: set it in .env');
    expect(interpolate(environment, { DEPLOYMENT: 'production' })).toMatchObject({
      DEPLOYMENT: 'production',
      PUBLIC_URL: 'http://127.0.0.1:8787',
    });
  });
});

describe('Dockerfile', () => {
  const lines = readFileSync('Dockerfile', 'utf8').split('\n');
  const stages = lines
    .join('\n')
    .split(/^FROM /m)
    .slice(1);
  const last = stages.at(-1) ?? '';

  it('builds on Node 24, from the lock file, in stages', () => {
    expect(stages).toHaveLength(3);
    for (const stage of stages) expect(stage).toMatch(/^node:24-/);
    for (const stage of stages.slice(0, 2)) expect(stage).toContain('npm ci');
  });

  it('ships what runs and nothing else, not as root, and says how it is', () => {
    const copied = [...last.matchAll(/^COPY (?:--from=\w+ )?(.+) \S+$/gm)].map(([, what]) => what);
    expect(copied).toEqual(['/app/node_modules', '/app/dist', 'package.json .env.example']);
    expect(stages[1]).toContain('--omit=dev');
    expect(last).toMatch(/^USER node$/m);
    expect(last).toMatch(/^HEALTHCHECK /m);
  });

  it('takes away what npm keeps of the tools that built it, for an optional peer of somebody', () => {
    const tools = Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).devDependencies);
    const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
    const kept = tools.map((name) => `node_modules/${name}`).filter((path) => packages[path].devOptional);
    expect(kept.filter((path) => !stages[1]?.includes(` ${path} `))).toEqual([]);
  });

  it('may write one folder, which is where the compose file mounts the ledger', () => {
    const [, folder = ''] = /^ENV LEDGER_DIR=(\S+)$/m.exec(last) ?? [];
    expect(last).toMatch(new RegExp(`^RUN install -d -o node -g node ${folder}$`, 'm'));
    expect(services.worker?.environment?.LEDGER_DIR).toBe(folder);
    expect(services.worker?.volumes).toContain(`ledger:${folder}`);
  });

  it('starts what the build makes', () => {
    expect(last).toContain('ENTRYPOINT ["node", "dist/main/cli.js"]');
    expect(existsSync('src/main/cli.ts') && existsSync('src/main/health-check.ts')).toBe(true);
  });

  it('copies only what .dockerignore lets through', () => {
    const passed = readFileSync('.dockerignore', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const wanted = lines.flatMap((line) => {
      const [, sources] = /^COPY (?!--from)(.+) \S+$/.exec(line) ?? [];
      return sources?.split(' ') ?? [];
    });
    expect(new Set(wanted)).toEqual(new Set(passed));
    for (const source of wanted) expect([source, existsSync(source)]).toEqual([source, true]);
  });
});
