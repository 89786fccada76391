/** Many sandboxes from one: its records copied under other ids, by pipeline, as a real start wrote them. */
import type { ChainableCommander, Redis } from 'ioredis';
import type { Sandbox } from '../src/core/sandbox.ts';

/** Some thousand commands a round trip: what is in flight stays small beside what is measured. */
const ITEMS_PER_PIPELINE = 100;
/** Keys and entries of one sandbox are some dozens. */
const SCAN_COUNT = 1_000;

/** One command of a copy; each text in it may name the sandbox or its guest. */
type Command = readonly [name: string, ...args: readonly string[]];

/**
 * Operations, history and events are left out: no pass reads them, and they would be most of the memory.
 *
 * @returns the ids of the copies
 */
export async function copySandbox(
  redis: Redis,
  sandbox: Sandbox,
  copies: number,
): Promise<readonly string[]> {
  const guestId = sandbox.placement?.guestId ?? '';
  const commands = await readCommands(redis, [sandbox.id, guestId]);
  const indexes = Array.from({ length: copies }, (_, index) => index);
  await inPipelines(redis, indexes, (pipeline, index) => {
    const [id, guest] = [numbered(sandbox.id, index), numbered(guestId, index)];
    for (const [name, ...args] of commands) {
      pipeline.call(
        name,
        args.map((text) => text.replaceAll(sandbox.id, id).replaceAll(guestId, guest)),
      );
    }
  });
  return indexes.map((index) => numbered(sandbox.id, index));
}

export async function inPipelines<T>(
  redis: Redis,
  items: readonly T[],
  add: (pipeline: ChainableCommander, item: T) => unknown,
): Promise<void> {
  for (let from = 0; from < items.length; from += ITEMS_PER_PIPELINE) {
    const pipeline = redis.pipeline();
    for (const item of items.slice(from, from + ITEMS_PER_PIPELINE)) add(pipeline, item);
    for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
  }
}

/** An id of the same length, so that records weigh what real ones do. */
function numbered(id: string, index: number): string {
  const digits = index.toString(16).padStart(8, '0');
  return id.slice(0, -digits.length) + digits;
}

async function readCommands(redis: Redis, ids: readonly string[]): Promise<readonly Command[]> {
  const names = (text: string) => ids.some((id) => text.includes(id));
  const commands: Command[] = [];
  for await (const keys of redis.scanStream({ count: SCAN_COUNT })) {
    for (const key of keys as readonly string[]) {
      const isItsOwn = names(key);
      const type = await redis.type(key);
      if (type === 'hash') {
        const fields = Object.entries(await redis.hgetall(key));
        const kept = fields.filter(([field, value]) => isItsOwn || names(field) || names(value));
        if (kept.length > 0) commands.push(['hset', key, ...kept.flat()]);
      } else if (type === 'zset') {
        const members = await redis.zrange(key, 0, -1, 'WITHSCORES');
        for (let at = 0; at < members.length; at += 2) {
          const [member = '', score = ''] = members.slice(at, at + 2);
          if (names(member)) commands.push(['zadd', key, score, member]);
        }
      } else if (type === 'string' && isItsOwn) {
        commands.push(['set', key, (await redis.get(key)) ?? '']);
      }
    }
  }
  return commands;
}
