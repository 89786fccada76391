/** Who asks, and what they may do. Filled by the access check, read by the API and the pages. */

/** `viewer` reads. `operator` also starts, pauses, resumes, destroys. `admin` also hands out access. */
export const ROLES = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export interface Principal {
  /** The name of the token, for the audit log. */
  readonly name: string;
  readonly role: Role;
  /** Sees and changes only what belongs to this team; absent: everything. */
  readonly teamId?: string;
}

/** Whether `principal` holds `role` or one above it. */
export function holdsRole(principal: Principal, role: Role): boolean {
  return ROLES.indexOf(principal.role) >= ROLES.indexOf(role);
}
