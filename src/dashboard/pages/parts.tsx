/** Small pieces that the sections of the fleet page share. */
import type { Child } from 'hono/jsx';
import type { SandboxState } from '../../core/sandbox.ts';
import { duration } from './format.ts';

/** A question with its answer; the question is the heading. */
export function Section({
  id,
  question,
  note,
  children,
}: {
  readonly id: string;
  readonly question: string;
  readonly note?: string | undefined;
  readonly children: Child;
}) {
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>
        {question}
        {note && <span class="note">{note}</span>}
      </h2>
      {children}
    </section>
  );
}

/** How long ago, with the exact time for who asks. */
export function Since({ ms, atMs }: { readonly ms: number; readonly atMs: number }) {
  return <Time ms={ms}>{duration(Math.max(0, atMs - ms))}</Time>;
}

export function Ago({ ms, atMs }: { readonly ms: number; readonly atMs: number }) {
  const age = atMs - ms;
  return <Time ms={ms}>{age < 1_000 ? 'just now' : `${duration(age)} ago`}</Time>;
}

function Time({ ms, children }: { readonly ms: number; readonly children: Child }) {
  const exact = new Date(ms).toISOString();
  return (
    <time datetime={exact} title={exact}>
      {children}
    </time>
  );
}

/** What a state asks of whoever looks: colour is only the second sign, the word is the first. */
const TONES: Record<SandboxState, 'good' | 'busy' | 'calm' | 'bad'> = {
  requested: 'busy',
  starting: 'busy',
  running: 'good',
  pausing: 'busy',
  paused: 'calm',
  resuming: 'busy',
  destroying: 'busy',
  destroyed: 'calm',
  failed: 'bad',
  lost: 'bad',
  stuck: 'bad',
};

export function StateBadge({ state }: { readonly state: SandboxState }) {
  return <span class={`state ${TONES[state]}`}>{state}</span>;
}

/** What to do: advice is a sentence, a command is there to be copied (or selected, without JavaScript). */
export function Remedy({ text, id }: { readonly text: string; readonly id: string }) {
  const isSentence = /^[A-Z].*\.$/s.test(text);
  if (isSentence) return <p class="advice">{text}</p>;
  return (
    <div class="command">
      <code id={id}>{text}</code>
      <button type="button" class="plain needs-js" data-copy={id}>
        Copy<span class="unseen"> the command</span>
      </button>
    </div>
  );
}

/**
 * Used from the left, kept free at the right end. In SVG: its attributes need no inline style, which the
 * content policy forbids.
 */
export function Bar(props: {
  readonly used: number;
  readonly kept?: number;
  readonly total: number;
  readonly isFull: boolean;
  readonly label: string;
}) {
  const share = (value: number) =>
    props.total <= 0 ? 0 : Math.max(0, Math.min(100, (value / props.total) * 100));
  const used = share(props.used);
  const kept = Math.min(share(props.kept ?? 0), 100 - used);
  return (
    <svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={props.label}>
      <rect class="track" width="100" height="6" />
      <rect class="kept" x={(100 - kept).toFixed(2)} width={kept.toFixed(2)} height="6" />
      <rect class={props.isFull ? 'full' : 'used'} width={used.toFixed(2)} height="6" />
    </svg>
  );
}
