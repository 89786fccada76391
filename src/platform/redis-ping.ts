import { connect } from 'node:net';

/** A loopback Redis answers in under a millisecond; one that is stopped or swapped out does not at all. */
const ANSWER_TIMEOUT_MS = 1_000;
/** Long enough for any answer that is asked for here. */
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * Sends one command to a Redis on this machine and returns its raw answer, '' when nobody listens there and
 * 'SILENT' when somebody does but says nothing. Without a client library: it is asked before there is one,
 * and a client would go on trying.
 */
export function askRedis(port: number, command: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    let answer = '';
    let connected = false;
    const finish = (result: string) => {
      socket.destroy();
      resolve(result);
    };
    socket.setEncoding('utf8');
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => finish(answer || 'SILENT'));
    socket.once('connect', () => {
      connected = true;
      socket.write(encode(command) + encode(['QUIT']));
    });
    socket.on('data', (chunk: string) => {
      answer += chunk;
      if (answer.length > MAX_ANSWER_BYTES) finish(answer);
    });
    socket.once('error', () => finish(connected ? answer : ''));
    socket.once('close', () => finish(answer));
  });
}

/**
 * The data folder of the Redis at a port; 'undecided' when something is there that says nothing,
 * `undefined` when there is none, or one that does not tell.
 */
export async function askDataDir(port: number): Promise<string | undefined> {
  const answer = await askRedis(port, ['CONFIG', 'GET', 'dir']);
  if (answer === 'SILENT') return 'undecided';
  return /^\*2\r\n\$3\r\ndir\r\n\$\d+\r\n(.*)\r\n/.exec(answer)?.[1];
}

function encode(command: readonly string[]): string {
  const parts = command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
  return `*${command.length}\r\n${parts.join('')}`;
}
