/** The trouble that providers make all through a chaos run. Rules are weighed in order; one at most decides. */
import type { FaultRule } from '../src/simulators/simulators.ts';

/** The share that is measured stays above a fifth however the dice fall: what is down meanwhile counts as no loss. */
const LOST_REPLY = 0.3;
const LOST_READ = 0.06;

const LOST_REPLIES: readonly FaultRule[] = [
  { method: 'POST', action: { kind: 'lose-reply' }, probability: LOST_REPLY },
  { method: 'PUT', action: { kind: 'lose-reply' }, probability: LOST_REPLY },
  { method: 'DELETE', action: { kind: 'lose-reply' }, probability: LOST_REPLY },
  { method: 'GET', action: { kind: 'lose-reply' }, probability: LOST_READ },
];

const SLOW_AND_SILENT: readonly FaultRule[] = [
  { action: { kind: 'drop' }, probability: 0.03 },
  { action: { kind: 'hang' }, probability: 0.004 },
  { action: { kind: 'delay', ms: 200 }, probability: 0.06 },
  { action: { kind: 'delay', ms: 1_500 }, probability: 0.04 },
  { action: { kind: 'delay', ms: 4_000 }, probability: 0.01 },
];

export const PVE_FAULTS: readonly FaultRule[] = [
  ...LOST_REPLIES,
  ...SLOW_AND_SILENT,
  { action: { kind: 'error', status: 500, message: 'got timeout' }, probability: 0.02 },
  { action: { kind: 'error', status: 503, message: 'Service Unavailable' }, probability: 0.01 },
  { action: { kind: 'error', status: 595, message: 'No route to host' }, probability: 0.01 },
  {
    method: 'POST',
    action: { kind: 'lose-reply', status: 596, message: 'Connection timed out' },
    probability: 0.02,
  },
  ...['qmclone', 'vzclone'].flatMap((taskType) =>
    taskFaults(taskType, 'clone failed: no space left on device'),
  ),
  ...['qmstart', 'vzstart', 'qmresume'].flatMap((taskType) =>
    taskFaults(taskType, 'start failed: exit code 1'),
  ),
  ...['qmsuspend', 'vzshutdown', 'qmdestroy', 'vzdestroy', 'qmstop', 'vzstop'].flatMap((taskType) =>
    taskFaults(taskType, 'command failed: exit code 1'),
  ),
];

export const MORPH_FAULTS: readonly FaultRule[] = [
  ...LOST_REPLIES,
  ...SLOW_AND_SILENT,
  { action: { kind: 'error', status: 500, message: 'Internal Server Error' }, probability: 0.02 },
  { action: { kind: 'error', status: 502, message: 'Bad Gateway' }, probability: 0.01 },
  { action: { kind: 'error', status: 429, message: 'Too many requests' }, probability: 0.01 },
];

function taskFaults(taskType: string, exitstatus: string): readonly FaultRule[] {
  return [
    { action: { kind: 'slow-task', taskType, ms: 3_000 }, probability: 0.1 },
    { action: { kind: 'slow-task', taskType, ms: 9_000 }, probability: 0.03 },
    { action: { kind: 'fail-task', taskType, exitstatus }, probability: 0.03 },
    { action: { kind: 'fail-task', taskType, exitstatus, at: 'begin' }, probability: 0.01 },
    // Leaves its lock words behind, as a worker that the OOM killer takes: a person has to unlock.
    { action: { kind: 'kill-task', taskType, at: 'middle' }, probability: 0.006 },
  ];
}
