import type { GuestMemory, GuestProcess, MemoryContents } from '../../guest-memory.ts';
import { ranMsAt } from '../../guest-memory.ts';
import { PveFailure } from '../pve-failure.ts';

/**
 * What agent/exec can run in a simulated VM: just enough to plant something in memory and look for it later. No shell
 * is among it. All of it means the same in a real Linux guest:
 *
 * - `tee PATH` with input-data writes a file below `/dev/shm` or `/run`, which are memory; `cat PATH` reads it, and
 *   `rm [-f] PATH` removes it. They survive hibernation and vanish at a cold boot.
 * - `cat /proc/sys/kernel/random/boot_id` differs after every boot and is the same after a resume.
 * - `cat /proc/uptime` counts the guest's running time.
 * - `sleep SECONDS` is a process to be planted: it lives on through hibernation, and its pid is unknown after a boot.
 * - `date -s @SECONDS` sets the guest's clock, which stands still while the guest does.
 * - `true`, `false`, and `echo WORDS`.
 *
 * Any other program does not exist, as in a guest that lacks it.
 */
export function runCommand(
  memory: GuestMemory,
  guest: { readonly vmid: number; readonly nowMs: number },
  [program = '', ...args]: readonly string[],
  input: string,
): { readonly pid: number; readonly contents: MemoryContents; readonly clockBehindMs?: number } {
  const { files, processes, lastPid } = memory.contents ?? EMPTY;
  const ranMs = ranMsAt(memory, guest.nowMs);
  const run = PROGRAMS[program.replace(/^\/(?:usr\/)?bin\//, '')];
  // glib's words; QEMU's agent passes them on.
  if (run === undefined) {
    throw agentError(`Failed to execute child process “${program}” (No such file or directory)`);
  }
  const result = run({ args, input, files: { ...procFiles(memory, guest.vmid, ranMs), ...files } });
  const pid = lastPid + 1;
  const process: GuestProcess = {
    pid,
    endsAtRanMs: ranMs + (result.forMs ?? 0),
    exitcode: result.exitcode ?? 0,
    out: result.out ?? '',
    err: result.err ?? '',
  };
  const kept = { ...files, ...result.written };
  for (const path of result.removed ?? []) delete kept[path];
  // The agent keeps a process until its end was told; of those never asked about only the newest stay.
  const known = [...processes, process].slice(-MAX_PROCESSES);
  const clock = result.clockMs === undefined ? {} : { clockBehindMs: guest.nowMs - result.clockMs };
  return { pid, contents: { files: kept, processes: known, lastPid: pid }, ...clock };
}

/** The agent tells of a process's end once and then forgets it. */
export function commandStatus(memory: GuestMemory, pid: number, nowMs: number) {
  const contents = memory.contents ?? EMPTY;
  const found = contents.processes.find((process) => process.pid === pid);
  if (found === undefined) throw agentError("Invalid parameter 'pid'");
  if (ranMsAt(memory, nowMs) < found.endsAtRanMs) return { reply: { exited: 0 }, contents };
  const { exitcode, out, err } = found;
  return {
    reply: {
      exited: 1,
      exitcode,
      ...(out === '' ? {} : { 'out-data': out }),
      ...(err === '' ? {} : { 'err-data': err }),
    },
    contents: { ...contents, processes: contents.processes.filter((process) => process !== found) },
  };
}

/** QGA-side errors, as Qemu/Agent.pm check_agent_error wraps them. */
function agentError(text: string): PveFailure {
  return new PveFailure(`Agent error: ${text}`);
}

const EMPTY: MemoryContents = { files: {}, processes: [], lastPid: 1000 };
const MAX_PROCESSES = 32;

interface Execution {
  readonly args: readonly string[];
  readonly input: string;
  readonly files: Readonly<Record<string, string>>;
}

interface Outcome {
  readonly exitcode?: number;
  readonly out?: string;
  readonly err?: string;
  readonly forMs?: number;
  readonly clockMs?: number;
  readonly written?: Readonly<Record<string, string>>;
  readonly removed?: readonly string[];
}

const PROGRAMS: Readonly<Record<string, ((execution: Execution) => Outcome) | undefined>> = {
  true: () => ({}),
  false: () => ({ exitcode: 1 }),
  echo: ({ args }) => ({ out: `${args.join(' ')}\n` }),
  date: ({ args: [option, at = ''] }) => {
    const seconds = option === '-s' ? /^@(\d+)$/.exec(at)?.[1] : undefined;
    if (seconds === undefined) return { exitcode: 1, err: `date: invalid date ‘${at}’\n` };
    return { clockMs: Number(seconds) * 1000 };
  },
  sleep: ({ args }) => ({ forMs: Number(args[0] ?? 0) * 1000 }),
  tee: ({ args: [path = ''], input }) =>
    isRamDisk(path)
      ? { out: input, written: { [path]: input } }
      : { exitcode: 1, out: input, err: `tee: ${path}: Permission denied\n` },
  cat: ({ args: [path = ''], files }) =>
    files[path] === undefined ? missing('cat', path) : { out: files[path] },
  rm: ({ args, files }) => {
    const path = args.find((arg) => !arg.startsWith('-')) ?? '';
    if (files[path] === undefined && !args.includes('-f')) return missing('rm', path);
    return { removed: [path] };
  },
};

function missing(program: string, path: string): Outcome {
  return { exitcode: 1, err: `${program}: ${path}: No such file or directory\n` };
}

function isRamDisk(path: string): boolean {
  return /^\/(?:dev\/shm|run)\/[^/]+$/.test(path);
}

function procFiles(memory: GuestMemory, vmid: number, ranMs: number): Readonly<Record<string, string>> {
  const boot = memory.bootCount.toString(16).padStart(12, '0');
  return {
    '/proc/sys/kernel/random/boot_id': `${vmid.toString(16).padStart(8, '0')}-0000-4000-8000-${boot}\n`,
    '/proc/uptime': `${(ranMs / 1000).toFixed(2)} 0.00\n`,
  };
}
