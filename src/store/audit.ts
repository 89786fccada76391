/** Who changed what, from where: one entry per request that could change something, refused ones included. */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { AUDIT_MAX_LENGTH, type Keys } from './keys.ts';
import { fieldsFromList } from './records.ts';

export interface AuditEntry {
  readonly atMs: number;
  /** The token's name; `local` where access is open; `cli` for the command line. */
  readonly who: string;
  readonly role: string;
  /** `POST /v1/sandboxes/sbx-1/pause`: never a query or a body, which may hold what is nobody's business. */
  readonly what: string;
  /** The client's address. */
  readonly from: string;
  readonly status: number;
}

export interface AuditPage {
  /** Newest first. */
  readonly entries: readonly (AuditEntry & { readonly id: string })[];
  readonly cursor?: string;
}

export interface AuditLog {
  append(entry: AuditEntry): Promise<void>;
  /** @param limit 1 to 500 */
  read(options: { readonly limit: number; readonly cursor?: string }): Promise<AuditPage>;
}

const stored = z.coerce.number();
const entrySchema = z.object({
  atMs: stored,
  who: z.string(),
  role: z.string(),
  what: z.string(),
  from: z.string(),
  status: stored,
});

/** What nobody types by hand, kept short so that no caller can fill the log with one entry. */
const MAX_TEXT = 300;

export function createAuditLog(redis: Redis, keys: Keys): AuditLog {
  return {
    async append(entry) {
      const fields = Object.entries(entry).flatMap(([field, value]) => [
        field,
        String(value).slice(0, MAX_TEXT),
      ]);
      await redis.xadd(keys.audit, 'MAXLEN', '~', AUDIT_MAX_LENGTH, '*', ...fields);
    },

    async read({ limit, cursor }) {
      const before = cursor === undefined ? '+' : `(${cursor}`;
      const found = await redis.xrevrange(keys.audit, before, '-', 'COUNT', limit);
      const entries = found.map(([id, list]) => ({ id, ...entrySchema.parse(fieldsFromList(list)) }));
      const last = entries.at(-1);
      return { entries, ...(last && entries.length === limit ? { cursor: last.id } : {}) };
    },
  };
}
