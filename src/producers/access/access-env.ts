import type { Principal } from '../../core/principal.ts';

/** What the check leaves behind for every handler after it. */
export interface AccessEnv {
  readonly Variables: { principal: Principal };
}
