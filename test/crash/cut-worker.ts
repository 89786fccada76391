/**
 * A worker in this process whose Redis can be cut: after a call that Redis carried out, the answer never comes, so
 * that nothing of what follows it runs. At last all its connections are cut at once, as by a crash.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { type SystemOptions, startSystem } from '../../src/main/system.ts';
import type { MayPass } from './crash-waves.ts';
import type { GatedWorker } from './gated-worker.ts';

type Command = Parameters<Redis['sendCommand']>[0] & {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
};

/** These come by their own timers, in no order with what the attempt does; a step asks for its proof itself. */
const BY_TIMER: ReadonlySet<string> = new Set(['renew', 'extendLock', 'extendLocks']);

const gates = new Map<string, Gate>();
let made = 0;

interface Gate {
  readonly clients: Set<Redis>;
  readonly replied: (command: Command, client: Redis) => Promise<boolean>;
  isCut: boolean;
}

/** @param mayPass asked after every call of the store and the queues that is about one claimed operation */
export async function startCutWorker(options: SystemOptions, mayPass: MayPass): Promise<GatedWorker> {
  made += 1;
  const mark = `cut-${made}`;
  const calls = createCallCount();
  const gate: Gate = {
    clients: new Set(),
    isCut: false,
    async replied(command, client) {
      const call = calls.nameOf(command, client);
      return call === undefined || (await mayPass(call));
    },
  };
  gates.set(mark, gate);
  // Kept in the options of the client and of every client that is made from it.
  await startSystem({
    ...options,
    redis: { ...options.redis, url: `${options.redis.url}?mark=${mark}` },
    roles: ['workers'],
  });
  return {
    async kill() {
      gate.isCut = true;
      for (const client of gate.clients) client.disconnect();
    },
  };
}

const send = Redis.prototype.sendCommand;
Redis.prototype.sendCommand = function (this: Redis, sent, stream) {
  const command = sent as Command;
  const gate = gates.get((this.options as { readonly mark?: string }).mark ?? '');
  if (gate === undefined) return send.call(this, command, stream);
  gate.clients.add(this);
  if (gate.isCut) return command.promise;
  const { resolve, reject } = command;
  command.resolve = async (value) => {
    if ((await gate.replied(command, this)) && !gate.isCut) resolve(value);
  };
  command.reject = (error) => {
    if (!gate.isCut) reject(error);
  };
  return send.call(this, command, stream);
};

/** Names calls by what they are and how often the operation has made one: `after transact 2`. */
function createCallCount() {
  const counts = new Map<string, number>();
  const claimed = new Set<string>();
  /** The operation that was last seen together with a sandbox or a guest. */
  const operations = new Map<string, string>();

  return {
    nameOf(command: Command, client: Redis): { operationId: string; point: string } | undefined {
      const name = callName(command, client);
      if (BY_TIMER.has(name)) return undefined;
      const text = command.args.map(String).join(' ');
      const ids = new Set(text.match(/\bop-[0-9a-z]+/g));
      const about = new Set(text.match(/\b(?:sbx|pvevm|pvelxc|morph)-[0-9a-z]{8,}/g));
      const known = [...about].flatMap((id) => operations.get(id) ?? []);
      const operationId = ids.size > 0 ? [...ids][0] : known[0];
      if (operationId === undefined || ids.size > 1) return undefined;
      for (const id of about) operations.set(id, operationId);
      if (name === 'claim') claimed.add(operationId);
      if (!claimed.has(operationId)) return undefined;
      const key = `${operationId} ${name}`;
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      return { operationId, point: `after ${name} ${count}` };
    },
  };
}

function callName(command: Command, client: Redis): string {
  if (command.name !== 'evalsha' && command.name !== 'eval') return command.name;
  const named = String(command.args[0]);
  // Its text comes when Redis does not have it yet.
  const digest = command.name === 'eval' ? digestOf(named) : named;
  const queueScripts = (client as unknown as { scriptsSet: Record<string, { sha: string }> }).scriptsSet;
  const ofQueue = Object.entries(queueScripts).find(([, { sha }]) => sha === digest)?.[0];
  return STORE_SCRIPTS.get(digest) ?? ofQueue?.split(':')[0] ?? command.name;
}

function digestOf(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}

const SCRIPTS = new URL('../../src/store/scripts/', import.meta.url);

function readScript(name: string): string {
  const text = readFileSync(new URL(name, SCRIPTS), 'utf8');
  return text.replace(/^-- @include ([a-z-]+)$/gm, (_line, included) => readScript(`${included}.lua`));
}

const STORE_SCRIPTS: ReadonlyMap<string, string> = new Map(
  readdirSync(SCRIPTS).map((file) => [digestOf(readScript(file)), file.replace('.lua', '')]),
);
