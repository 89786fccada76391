/** ioredis' ways of saying that there is no connection, and Redis' of saying that it cannot answer yet. */
const TROUBLE =
  /MaxRetriesPerRequest|Connection is closed|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|Stream isn't writeable|LOADING|MASTERDOWN|READONLY/;

/** True when Redis refused a write because its memory is used up. Reads, and what frees memory, still work. */
export function isRedisFull(error: unknown): boolean {
  return error instanceof Error && error.message.includes('OOM command not allowed');
}

/** True when Redis is away for the moment, as opposed to a mistake of ours. */
export function isRedisTrouble(error: unknown): boolean {
  return error instanceof Error && TROUBLE.test(`${error.name} ${error.message}`);
}
