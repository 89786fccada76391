import { open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError } from './config-error.ts';
import { askDataDir } from './redis-ping.ts';

const LOCK_FILE = 'redis-server.lock';
/** A start writes the lock, then needs well under a second until Redis listens. */
const STARTING_MS = 5_000;
/** After its owner was killed, Redis needs a moment to write its data and go; longer means it is stuck. */
const LEAVING_MS = 10_000;
const POLL_MS = 50;
/** A stale lock is removed and made anew; losing that race more often than this means others start too. */
const MAX_CLAIM_TRIES = 5;

interface Lock {
  readonly ownerPid: number;
  readonly port: number;
}

export interface DataDirClaim {
  release(): Promise<void>;
}

/** Claims a data folder for a Redis that is about to listen at `port`. @throws ConfigError when it is in use. */
export async function claimDataDir(dataDir: string, port: number): Promise<DataDirClaim> {
  const path = join(dataDir, LOCK_FILE);
  const release = () => rm(path, { force: true });
  for (let tries = 0; tries < MAX_CLAIM_TRIES; tries += 1) {
    if (await createExclusively(path, { ownerPid: process.pid, port })) return { release };
    const lock = await readLock(path);
    if (await isInUse(path, lock, dataDir)) throw inUse(dataDir, lock);
    await release();
  }
  throw inUse(dataDir, undefined);
}

async function createExclusively(path: string, lock: Lock): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600);
    await file.writeFile(`${JSON.stringify(lock)}\n`);
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function isInUse(path: string, lock: Lock | undefined, dataDir: string): Promise<boolean> {
  const ownerLives = lock !== undefined && isAlive(lock.ownerPid);
  if (ownerLives && (await ageMs(path)) < STARTING_MS) return true;
  if (lock === undefined) return (await ageMs(path)) < STARTING_MS;

  const giveUpAtMs = performance.now() + (ownerLives ? 0 : LEAVING_MS);
  for (;;) {
    const usedDir = await askDataDir(lock.port);
    if (usedDir !== dataDir && usedDir !== 'undecided') return false;
    if (performance.now() >= giveUpAtMs) return true;
    await delay(POLL_MS);
  }
}

async function readLock(path: string): Promise<Lock | undefined> {
  try {
    const lock = JSON.parse(await readFile(path, 'utf8')) as Partial<Lock>;
    const { ownerPid, port } = lock;
    return typeof ownerPid === 'number' && typeof port === 'number' ? { ownerPid, port } : undefined;
  } catch {
    // Half written, or removed in the meantime: its age decides.
    return undefined;
  }
}

async function ageMs(path: string): Promise<number> {
  try {
    return Date.now() - (await stat(path)).mtimeMs;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function inUse(dataDir: string, lock: Lock | undefined): ConfigError {
  const orphaned = lock ? `; where none runs any more: redis-cli -p ${lock.port} shutdown` : '';
  return new ConfigError([
    {
      setting: 'DATA_DIR',
      problem: `${dataDir} is in use, most likely by another cmux-lifecycle${lock ? ` (process ${lock.ownerPid}, its Redis on port ${lock.port})` : ''}`,
      remedy: `stop that one with Ctrl-C, or give each a folder of its own${orphaned}`,
    },
  ]);
}
