/** Who asks, and what they may do. Filled by the access check, read by the API and the pages. */

/** `viewer` reads. `operator` also starts, pauses, resumes, destroys. `admin` also hands out access. */
export const ROLES = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** A `guest` says how its own sandbox is doing, and may do nothing else. No token of this role is handed out by name. */
export type PrincipalRole = Role | 'guest';

export interface Principal {
  /** The name of the token, for the audit log. */
  readonly name: string;
  readonly role: PrincipalRole;
  /** The one sandbox that a guest may speak of. */
  readonly sandboxId?: string;
  /** Sees and changes only what belongs to this team; absent: everything. */
  readonly teamId?: string;
}

/** Whether `principal` holds `role` or one above it. */
export function holdsRole(principal: Principal, role: PrincipalRole): boolean {
  return RANKS.indexOf(principal.role) >= RANKS.indexOf(role);
}

const RANKS: readonly PrincipalRole[] = ['guest', ...ROLES];
