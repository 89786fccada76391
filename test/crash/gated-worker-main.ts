/**
 * A worker process that asks its parent before it passes a point, and waits there for the answer. So the parent
 * can bring several operations to their points and kill the process when all of them are there.
 */
import { pino } from 'pino';
import { type SystemOptions, startSystem } from '../../src/main/system.ts';
import type { Answer, Asked } from './gated-worker.ts';

const options = JSON.parse(process.argv[2] ?? '') as SystemOptions;
const waiting = new Map<number, () => void>();
let asked = 0;

function pass(point: Omit<Asked, 'id'>): Promise<void> {
  asked += 1;
  const question: Asked = { id: asked, ...point };
  return new Promise((resolve) => {
    waiting.set(question.id, resolve);
    process.send?.(question);
  });
}

process.on('message', ({ id }: Answer) => {
  waiting.get(id)?.();
  waiting.delete(id);
});

await startSystem({
  ...options,
  log: pino({ level: process.env.TEST_LOG ?? 'silent' }, pino.destination(2)),
  onStep: (name, when, { operation: { id: operationId, kind }, provider }) =>
    pass({ operationId, point: `${when} step ${name}`, kind, provider }),
});
process.send?.({ ready: true });
