/** What each process that publishes settings says of its own, and that it lives; see `core/settings-agreement.ts`. */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { canonicalJson } from '../core/admission.ts';
import { type AnnouncedSettings, PROCESS_GONE_AFTER_MS } from '../core/settings-agreement.ts';
import type { Keys } from './keys.ts';

export type OwnAnnouncement = Omit<AnnouncedSettings, 'silentForMs'>;

export interface SettingsAnnouncements {
  /** Takes away who is gone, and answers who is left, this process among them. To be repeated every 15 s. */
  announce(own: OwnAnnouncement): Promise<readonly AnnouncedSettings[]>;
  read(): Promise<readonly AnnouncedSettings[]>;
  /** For a process that is shut down. Not to be called while it announces. */
  leave(process: string): Promise<void>;
}

/** 64 bits: two settings of one deployment never meet by accident. */
const DIGEST_DIGITS = 16;

/** What is absent in `settings` is absent here. The order of fields makes no difference, that of lists does. */
export function digestParts(settings: object): AnnouncedSettings['parts'] {
  const parts = Object.entries(settings).filter(([, part]) => part !== undefined);
  return Object.fromEntries(
    parts.map(([name, part]) => {
      const digest = createHash('sha256').update(canonicalJson(part)).digest('hex');
      return [name, digest.slice(0, DIGEST_DIGITS)];
    }),
  );
}

const announcementSchema = z.object({
  startedAtMs: z.number(),
  announcedAtMs: z.number(),
  parts: z.record(z.string(), z.string()),
});

export function createSettingsAnnouncements(redis: Redis, keys: Keys): SettingsAnnouncements {
  const key = keys.settingsAnnounced;

  /** Hosts' clocks may differ by more than a process is silent, so its silence goes by Redis's. */
  async function redisNowMs(): Promise<number> {
    const [seconds, microseconds] = await redis.time();
    return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
  }

  async function readAt(nowMs: number): Promise<readonly AnnouncedSettings[]> {
    return Object.entries(await redis.hgetall(key)).flatMap(([process, text]) => {
      // One that another release wrote in a form of its own is its own processes' business.
      const { success, data } = announcementSchema.safeParse(JSON.parse(text));
      if (!success) return [];
      const { announcedAtMs, ...rest } = data;
      return [{ process, ...rest, silentForMs: Math.max(0, nowMs - announcedAtMs) }];
    });
  }

  return {
    async announce({ process, ...own }) {
      const nowMs = await redisNowMs();
      const text = JSON.stringify({ ...own, announcedAtMs: nowMs });
      await redis.multi().hset(key, process, text).pexpire(key, PROCESS_GONE_AFTER_MS).exec();
      const all = await readAt(nowMs);
      const isGone = ({ silentForMs }: AnnouncedSettings) => silentForMs > PROCESS_GONE_AFTER_MS;
      const gone = all.filter(isGone).map((announced) => announced.process);
      // One that spoke up in between is there again with its next announcement.
      if (gone.length > 0) await redis.hdel(key, ...gone);
      return all.filter((announced) => !isGone(announced));
    },
    read: async () => readAt(await redisNowMs()),
    async leave(process) {
      await redis.hdel(key, process);
    },
  };
}
