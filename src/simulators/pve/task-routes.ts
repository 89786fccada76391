import type { Access } from './access.ts';
import { badParameters } from './pve-failure.ts';
import { NODE_PARAMETERS, type PveResult, type PveRoute, route } from './pve-routes.ts';
import type { PveWorld } from './pve-world.ts';
import type { TaskRecord } from './tasks.ts';
import { isUpid, splitUser } from './upid.ts';

const UPID_PARAMETERS = { ...NODE_PARAMETERS, upid: { type: 'string' } } as const;

export function createTaskRoutes(world: PveWorld): readonly PveRoute[] {
  return [
    route({
      method: 'GET',
      path: '/nodes/{node}/tasks',
      parameters: LIST_PARAMETERS,
      handle: ({ params, node, user, access }) => {
        const rows = world.tasks
          .list(node)
          .filter((task) => maySee(access, user, task) && isWanted(params, task))
          .map(listRow);
        return page(rows, params.start, params.limit ?? 50);
      },
    }),
    route({
      method: 'GET',
      path: '/nodes/{node}/tasks/{upid}/status',
      parameters: UPID_PARAMETERS,
      handle: ({ params, node }) => {
        const task = findTask(world, node, params.upid);
        const end = task.end === null ? { status: 'running' } : { status: 'stopped', ...exit(task.end) };
        return { data: { ...commonRow(task), ...end } };
      },
    }),
    route({
      method: 'GET',
      path: '/nodes/{node}/tasks/{upid}/log',
      parameters: {
        ...UPID_PARAMETERS,
        start: { type: 'integer', min: 0, optional: true },
        limit: { type: 'integer', min: 0, optional: true },
        download: { type: 'boolean', optional: true },
      },
      handle: ({ params, node }) => {
        const { log } = findTask(world, node, params.upid);
        const lines = (log.length === 0 ? ['no content'] : log).map((t, index) => ({ n: index + 1, t }));
        return page(lines, params.start, params.limit ?? 50);
      },
    }),
    route({
      method: 'DELETE',
      path: '/nodes/{node}/tasks/{upid}',
      parameters: UPID_PARAMETERS,
      handle: async ({ params, node, user, access }) => {
        const task = findTask(world, node, params.upid);
        if (task.user !== user) access.require(`/nodes/${node}`, 'Sys.Modify');
        await world.tasks.interrupt(params.upid);
        return { data: null };
      },
    }),
    route({
      method: 'GET',
      path: '/cluster/tasks',
      parameters: {},
      handle: ({ user, access }) => {
        const tasks = world.nodes.flatMap((node) => world.tasks.list(node).slice(0, CLUSTER_TASKS_PER_NODE));
        return { data: tasks.filter((task) => maySee(access, user, task)).map(listRow) };
      },
    }),
  ];
}

/** pvestatd broadcasts only each node's latest tasks. */
const CLUSTER_TASKS_PER_NODE = 25;

const LIST_PARAMETERS = {
  ...NODE_PARAMETERS,
  errors: { type: 'boolean', optional: true },
  limit: { type: 'integer', min: 0, optional: true },
  since: { type: 'integer', optional: true },
  source: { type: 'string', enum: ['archive', 'active', 'all'], optional: true },
  start: { type: 'integer', min: 0, optional: true },
  statusfilter: { type: 'string', format: 'pve-task-status-type-list', optional: true },
  typefilter: { type: 'string', optional: true },
  until: { type: 'integer', optional: true },
  userfilter: { type: 'string', optional: true },
  vmid: { type: 'integer', format: 'pve-vmid', min: 100, max: 999_999_999, optional: true },
} as const;

interface TaskFilter {
  readonly errors: boolean | undefined;
  readonly since: number | undefined;
  readonly source: string | undefined;
  readonly statusfilter: string | undefined;
  readonly typefilter: string | undefined;
  readonly until: number | undefined;
  readonly userfilter: string | undefined;
  readonly vmid: number | undefined;
}

/** Without `source` only finished tasks are listed: a running clone is invisible by default. */
function isWanted(filter: TaskFilter, task: TaskRecord): boolean {
  const source = filter.source ?? 'archive';
  if (source === 'archive' && task.end === null) return false;
  if (source === 'active' && task.end !== null) return false;
  if (filter.typefilter !== undefined && task.type !== filter.typefilter) return false;
  if (filter.vmid !== undefined && task.id !== String(filter.vmid)) return false;
  if (filter.userfilter !== undefined && !task.user.includes(filter.userfilter)) return false;
  if (filter.since !== undefined && task.starttime < filter.since) return false;
  if (filter.until !== undefined && task.starttime > filter.until) return false;
  const outcome = task.end === null ? undefined : outcomeOf(task.end.exitstatus);
  if (filter.errors === true && outcome !== undefined && outcome !== 'error' && outcome !== 'unknown')
    return false;
  return filter.statusfilter === undefined || outcome === undefined
    ? true
    : filter.statusfilter.split(/[,; ]+/).includes(outcome);
}

function outcomeOf(exitstatus: string): 'ok' | 'warning' | 'error' | 'unknown' {
  if (exitstatus === 'OK') return 'ok';
  if (/^WARNINGS: \d+$/.test(exitstatus)) return 'warning';
  return exitstatus === 'unexpected status' ? 'unknown' : 'error';
}

/** A token sees its own tasks; others' only with Sys.Audit on the node. */
function maySee(access: Access, user: string, task: TaskRecord): boolean {
  return task.user === user || access.has(`/nodes/${task.node}`, 'Sys.Audit');
}

/** A UPID asked of another node is "no such task" there. */
function findTask(world: PveWorld, node: string, upid: string): TaskRecord {
  if (!isUpid(upid)) throw badParameters({ upid: 'unable to parse worker upid' });
  const task = world.tasks.find(upid);
  if (task === undefined || task.node !== node) throw badParameters({ upid: 'no such task' });
  return task;
}

function commonRow({ upid, node, pid, pstart, starttime, type, id, user }: TaskRecord) {
  return { upid, node, pid, pstart, starttime, type, id, ...splitUser(user) };
}

function listRow(task: TaskRecord) {
  if (task.end === null) return { ...commonRow(task), status: 'RUNNING' };
  return { ...commonRow(task), endtime: Math.floor(task.end.atMs / 1000), status: task.end.exitstatus };
}

function exit(end: { readonly exitstatus: string }) {
  return { exitstatus: end.exitstatus };
}

/** A limit of 0 means all. */
function page(rows: readonly unknown[], start = 0, limit = 0): PveResult {
  return { data: limit === 0 ? rows.slice(start) : rows.slice(start, start + limit), total: rows.length };
}
