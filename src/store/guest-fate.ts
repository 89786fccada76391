/** What becomes of an attempt's guest when the attempt ends. */
export type GuestFate =
  /** The next attempt carries it on and looks before it sends. */
  | 'carry'
  /** The same, and its create certainly had no effect: the send permit is given back. */
  | 'carry_unsent'
  /** The sandbox runs in it. */
  | 'keep'
  /** It may exist: to be destroyed on sight of its marker. */
  | 'condemn'
  /** A person has to free it. */
  | 'stuck'
  /** Proved absent, or never asked for. */
  | 'gone';
