import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isConfigError } from '../../src/platform/config-error.ts';
import { ensureRedisBinary, findRedisBinary } from '../../src/platform/redis-binary.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cmux-lifecycle-path-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function program(name: string, mode = 0o755): Promise<string> {
  const path = join(folder, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, '#!/bin/sh\n');
  await chmod(path, mode);
  return path;
}

describe('findRedisBinary', () => {
  it('finds nothing on an empty PATH', () => {
    expect(findRedisBinary('')).toBeUndefined();
  });

  it('looks into every folder of the PATH', async () => {
    const path = await program('second/redis-server');
    expect(findRedisBinary(`${folder}/first:${folder}/second`)).toBe(path);
  });

  it('takes valkey-server where there is no redis-server', async () => {
    const valkey = await program('valkey-server');
    expect(findRedisBinary(folder)).toBe(valkey);
    const redis = await program('redis-server');
    expect(findRedisBinary(folder)).toBe(redis);
  });

  it('passes over a file that cannot be run, and a folder', async () => {
    await program('redis-server', 0o644);
    await mkdir(join(folder, 'valkey-server'));
    expect(findRedisBinary(folder)).toBeUndefined();
  });
});

describe('ensureRedisBinary', () => {
  interface Case {
    isRoot?: boolean;
    answer?: boolean;
    installs?: boolean;
  }

  /** One call with everything it did written down. */
  async function ensure({ isRoot = true, answer, installs = true }: Case) {
    const did = { ran: [] as string[], asked: 0, printed: [] as string[] };
    const result = ensureRedisBinary({
      path: folder,
      isRoot,
      print: (line) => did.printed.push(line),
      ...(answer !== undefined && {
        ask: async () => {
          did.asked += 1;
          return answer;
        },
      }),
      run: async (command) => {
        did.ran.push(command);
        if (installs) await program('redis-server');
        return installs;
      },
    });
    const outcome = await result.then(
      (path) => ({ path }),
      (error: unknown) => ({ error }),
    );
    return { ...did, ...outcome };
  }

  function messageOf(outcome: object): string {
    const { error } = outcome as { error: unknown };
    expect(isConfigError(error)).toBe(true);
    return (error as Error).message;
  }

  it('does nothing when there is one', async () => {
    const path = await program('redis-server');
    expect(await ensure({})).toEqual({ ran: [], asked: 0, printed: [], path });
  });

  it('as root without a terminal prints the command and runs it', async () => {
    await program('apt-get');
    const outcome = await ensure({});
    expect(outcome).toMatchObject({ asked: 0, path: join(folder, 'redis-server') });
    expect(outcome.ran).toHaveLength(1);
    expect(outcome.printed.join()).toContain(outcome.ran[0]);
  });

  it('as root at a terminal asks first, and runs nothing after a no', async () => {
    await program('apt-get');
    const declined = await ensure({ answer: false });
    expect(declined).toMatchObject({ asked: 1, ran: [] });
    expect(messageOf(declined)).toContain('apt-get install');
    expect(await ensure({ answer: true })).toMatchObject({ asked: 1, path: join(folder, 'redis-server') });
  });

  it.each([
    ['apt-get', 'apt-get install -y redis-server'],
    ['dnf', 'dnf install -y valkey'],
    ['apk', 'apk add redis'],
    ['pacman', 'pacman -Sy --noconfirm valkey'],
    ['zypper', 'zypper --non-interactive install redis'],
  ])('without root stops with the command of %s and runs nothing', async (manager, command) => {
    await program(manager);
    const outcome = await ensure({ isRoot: false, answer: true });
    expect(outcome).toMatchObject({ ran: [], asked: 0 });
    expect(messageOf(outcome)).toContain('sudo sh -c');
    expect(messageOf(outcome)).toContain(command);
  });

  it('runs Homebrew without root, and never as root', async () => {
    await program('brew');
    expect(await ensure({ isRoot: true })).toMatchObject({ ran: [] });
    expect(await ensure({ isRoot: false })).toMatchObject({ ran: ['brew install redis'] });
  });

  it('says so when no package manager is known', async () => {
    expect(messageOf(await ensure({}))).toContain('install Redis 6.2 or later');
  });

  it('says so when the command fails', async () => {
    await program('apt-get');
    expect(messageOf(await ensure({ installs: false }))).toContain('failed');
  });
});
