import { type EpisodeCounts, regretRate } from '../../core/idle-episode.ts';
import type { IdleCard } from '../fleet/fleet-view.ts';
import { duration } from './format.ts';

/** Who is suspended next; and for those who see the whole fleet, what suspensions were worth. */
export function IdleArticle({ idle, atMs }: { readonly idle: IdleCard; readonly atMs: number }) {
  const { worth, next, more } = idle;
  return (
    <article aria-labelledby="idle-title">
      <h3 id="idle-title">Idle sandboxes</h3>
      {worth && <Worth worth={worth} />}
      {next.length === 0 ? (
        <p class="quiet">No suspension is in sight.</p>
      ) : (
        <ul class="lines">
          {next.map(({ sandboxId, provider, suspendAtMs, isShadow, summary, heldBy }) => (
            <li>
              <span class="id">{sandboxId}</span> on {provider}
              <span class="quiet">
                {' '}
                {isShadow ? 'would be suspended' : 'is suspended'} {inTime(suspendAtMs - atMs)}
              </span>
              <span class="quiet below">{summary}</span>
              {heldBy.map(({ owner, reason }) => (
                <span class="quiet below">
                  held by {owner}: {reason}
                </span>
              ))}
            </li>
          ))}
          {more > 0 && <li class="quiet">and {more} more</li>}
        </ul>
      )}
    </article>
  );
}

function Worth({ worth }: { readonly worth: NonNullable<IdleCard['worth']> }) {
  const { mode, configured, heldBack, today, week, gateCounts } = worth;
  const rate = regretRate(gateCounts);
  return (
    <>
      <p>
        {MODE_SENTENCES[mode]}
        {heldBack && ` ${configured} is configured and held back: ${heldBack}.`}
      </p>
      <dl>
        <dt>Today</dt>
        <dd>{describeWorth(today)}</dd>
        <dt>7 days</dt>
        <dd>
          {describeWorth(week)}
          {rate !== undefined && (
            <span class="quiet below">{(rate * 100).toFixed(1)} % were used again within ten minutes</span>
          )}
        </dd>
      </dl>
    </>
  );
}

const MODE_SENTENCES = {
  off: 'Nothing is suspended by itself.',
  shadow: 'Shadow mode: idle sandboxes are counted and left alone.',
  enforce: 'Idle sandboxes are suspended.',
} as const;

/** "would have suspended 43, saved 61 h, 2 used again within ten minutes" */
export function describeWorth({ shadow, enforce }: NonNullable<IdleCard['worth']>['today']): string {
  const parts = [
    ...(isNothing(enforce) ? [] : [`suspended ${amounts(enforce)}`]),
    ...(isNothing(shadow) ? [] : [`would have suspended ${amounts(shadow)}`]),
  ];
  return parts.length === 0 ? 'none' : parts.join('; ');
}

function isNothing({ suspended, savedMs, usedAgain }: EpisodeCounts): boolean {
  return suspended === 0 && savedMs === 0 && usedAgain === 0;
}

function amounts({ suspended, savedMs, usedAgain }: EpisodeCounts): string {
  const short = savedMs < 1_000 ? 'no time yet' : duration(savedMs);
  const saved = savedMs < HOUR_MS ? short : `${Math.round(savedMs / HOUR_MS)} h`;
  return `${suspended}, saved ${saved}, ${usedAgain} used again within ten minutes`;
}

const HOUR_MS = 3_600_000;

function inTime(ms: number): string {
  return ms < 1_000 ? 'with the next look' : `in ${duration(ms)}`;
}
