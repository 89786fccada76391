import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Timers } from './timers.ts';

/**
 * Time from a change to its write. Longer: more is forgotten when the process is killed. Shorter: a busy demo
 * spends its time writing the same file.
 */
const DEBOUNCE_MS = 200;

export interface DataFile {
  /** To be called after every change; the write follows within the debounce time. */
  readonly touch: () => void;
  /** Writes now. */
  readonly flush: () => void;
}

/** What was saved, or undefined when there is no file yet. Throws on a file that is not ours. */
export function readDataFile(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`${path} is not a simulator data file; move it away to begin afresh`, { cause });
  }
}

/** Writes go to a neighbour first and are then renamed: a reader sees the old state or the new one. */
export function createDataFile(path: string | undefined, snapshot: () => unknown, timers: Timers): DataFile {
  if (path === undefined) return { touch: () => {}, flush: () => {} };
  let pending = false;
  const flush = () => {
    pending = false;
    mkdirSync(dirname(path), { recursive: true });
    const neighbour = `${path}.${process.pid}.tmp`;
    writeFileSync(neighbour, JSON.stringify(snapshot()));
    renameSync(neighbour, path);
  };
  return {
    flush,
    touch: () => {
      if (pending) return;
      pending = true;
      timers.after(DEBOUNCE_MS, () => {
        if (pending) flush();
      });
    },
  };
}
