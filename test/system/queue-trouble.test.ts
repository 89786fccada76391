/** What the log says of queues whose connection fails: nothing that the process tells already. */
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { tellQueueTrouble } from '../../src/workers/queue-trouble.ts';

it.each([
  ['Redis is away', new Error('connect ECONNREFUSED 127.0.0.1:6379'), 'debug'],
  ['a script of the queue fails', new Error('Missing lock for job 7. moveToFinished'), 'warn'],
])('when %s, a queue says so at the right level', (_what, error, level) => {
  const lines: string[] = [];
  const log = pino(
    { level: 'debug', formatters: { level: (label) => ({ level: label }) } },
    { write: (line: string) => void lines.push(line) },
  );
  tellQueueTrouble(log, { sweep: 'expire' })(error);
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([{ level, sweep: 'expire' }]);
});
