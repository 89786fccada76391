/**
 * What processes of release 0.1.0 read of Redis, as strictly as they do: they run beside those of this release while
 * it is rolled out, and alone again after a rollback.
 */
import { z } from 'zod';

const provider = z.enum(['pve-vm', 'pve-lxc', 'morph']);
const json = <T extends z.ZodType>(schema: T) =>
  z
    .string()
    .transform((text) => JSON.parse(text) as unknown)
    .pipe(schema);

const optional = z.string().nullable();
const sizes = [z.number(), z.number(), z.number()] as const;
const state = z.enum(['running', 'paused', 'stored', 'condemned', 'unowned']);

/** Whose an interval of the ledger is. */
export const accountOfLastRelease = json(
  z.tuple([z.string(), z.string(), provider, z.string(), optional, optional, optional, optional, ...sizes]),
);

/** The name of a field of a day's usage. */
export const usageOfLastRelease = json(
  z.tuple([provider, z.string(), optional, optional, optional, optional, ...sizes, state]),
);

/** Of a sandbox's record, what it has in lists. */
export const sandboxOfLastRelease = z.object({
  id: z.string(),
  fellBackFrom: json(z.array(provider)).exactOptional(),
  reconnect: json(z.array(z.enum(['connections', 'addresses', 'processes']))).exactOptional(),
});
