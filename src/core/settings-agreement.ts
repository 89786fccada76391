/**
 * Which settings are in force where several processes publish theirs, and who has others. A process announces a
 * digest of each part of its settings: whoever reads it learns which parts differ, and nothing of what is in them.
 */
export interface AnnouncedSettings {
  /** Host, process id and a random part. */
  readonly process: string;
  /** Unix time, ms, by the clock of its host. */
  readonly startedAtMs: number;
  /** Since it last announced them, by Redis's clock. */
  readonly silentForMs: number;
  /** Name of the part → digest. A part that a process does not have is not there. */
  readonly parts: Readonly<Record<string, string>>;
}

/** Four announcements, which come every 15 s: sooner, a host that is busy for a moment would count as dead. */
export const PROCESS_GONE_AFTER_MS = 60_000;
/** A rolling upgrade of some workers, each of which drains for 20 s, is over by then. */
export const DIFFERENCE_BORNE_MS = 10 * 60_000;

export type SettingsAgreement =
  /** Of all that live, or of nobody. */
  | { readonly verdict: 'agreed' }
  /** They differ, as they do for a while whenever settings are changed. */
  | { readonly verdict: 'changing' }
  | {
      readonly verdict: 'differ';
      readonly inForce: AnnouncedSettings;
      /** Those that have other settings, oldest first. */
      readonly others: readonly Deviation[];
    };

export interface Deviation {
  readonly process: string;
  /** Names of the parts that differ from those in force, sorted. */
  readonly parts: readonly string[];
}

/** The one that started last among those that live; at the same instant, the one whose name sorts last. */
export function settingsInForce(announced: readonly AnnouncedSettings[]): AnnouncedSettings | undefined {
  return livingOldestFirst(announced).at(-1);
}

export function decideAgreement(announced: readonly AnnouncedSettings[], nowMs: number): SettingsAgreement {
  const living = livingOldestFirst(announced);
  const [oldest] = living;
  const inForce = living.at(-1);
  if (oldest === undefined || inForce === undefined) return { verdict: 'agreed' };
  // All before this one have the settings of the oldest: with its start they began to differ.
  const firstOther = living.find(({ parts }) => differingParts(parts, oldest.parts).length > 0);
  if (firstOther === undefined) return { verdict: 'agreed' };
  if (nowMs - firstOther.startedAtMs <= DIFFERENCE_BORNE_MS) return { verdict: 'changing' };
  const others = living
    .map(({ process, parts }) => ({ process, parts: differingParts(parts, inForce.parts) }))
    .filter(({ parts }) => parts.length > 0);
  return { verdict: 'differ', inForce, others };
}

function livingOldestFirst(announced: readonly AnnouncedSettings[]): readonly AnnouncedSettings[] {
  return announced
    .filter(({ silentForMs }) => silentForMs <= PROCESS_GONE_AFTER_MS)
    .sort((a, b) => a.startedAtMs - b.startedAtMs || (a.process < b.process ? -1 : 1));
}

function differingParts(
  some: AnnouncedSettings['parts'],
  others: AnnouncedSettings['parts'],
): readonly string[] {
  const names = new Set([...Object.keys(some), ...Object.keys(others)]);
  return [...names].filter((name) => some[name] !== others[name]).sort();
}
