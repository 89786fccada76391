import { PveFailure } from './pve-failure.ts';

/** What the caller's token may do. Checked before parameters, so a 403 hides a 400 (HTTPServer.pm). */
export interface Access {
  readonly has: (path: string, privilege: string) => boolean;
  /** Fails unless all are held. */
  readonly require: (path: string, ...privileges: readonly string[]) => void;
  readonly requireAny: (path: string, ...privileges: readonly string[]) => void;
  /** Every path with an entry and its privileges, in the form of `GET /access/permissions`. */
  readonly list: (path?: string) => Readonly<Record<string, Readonly<Record<string, 1>>>>;
}

export function createAccess(acl: Readonly<Record<string, readonly string[]>>): Access {
  const privilegesOn = (path: string): readonly string[] => {
    for (let at = path; ; at = at.slice(0, at.lastIndexOf('/')) || '/') {
      const entry = acl[at];
      if (entry !== undefined) return entry;
      if (at === '/') return [];
    }
  };
  const has = (path: string, privilege: string) => privilegesOn(path).includes(privilege);
  return {
    has,
    require: (path, ...privileges) => {
      for (const privilege of privileges) {
        if (!has(path, privilege)) throw forbidden(`${path}, ${privilege}`);
      }
    },
    requireAny: (path, ...privileges) => {
      if (!privileges.some((privilege) => has(path, privilege))) {
        throw forbidden(`${path}, ${privileges.join('|')}`);
      }
    },
    list: (path) => {
      const paths = path === undefined ? Object.keys(acl) : [path];
      const flags = (at: string) => Object.fromEntries(privilegesOn(at).map((name) => [name, 1 as const]));
      return Object.fromEntries(paths.map((at) => [at, flags(at)]));
    },
  };
}

export function forbidden(detail: string): PveFailure {
  return new PveFailure(`Permission check failed (${detail})`, { status: 403 });
}

/** All privileges of an Administrator. VM.Monitor exists only before 9, VM.GuestAgent.* only since. */
export function allPrivileges(major: number): readonly string[] {
  const guestAgent = ['Audit', 'FileRead', 'FileSystemMgmt', 'FileWrite', 'Unrestricted'];
  return [
    ...['Allocate', 'AllocateSpace', 'AllocateTemplate', 'Audit'].map((name) => `Datastore.${name}`),
    ...['Audit', 'Modify', 'Use'].map((name) => `Mapping.${name}`),
    'Permissions.Modify',
    ...['Allocate', 'Audit'].map((name) => `Pool.${name}`),
    'Realm.Allocate',
    'Realm.AllocateUser',
    ...['Allocate', 'Audit', 'Use'].map((name) => `SDN.${name}`),
    ...['AccessNetwork', 'Audit', 'Console', 'Incoming', 'Modify', 'PowerMgmt', 'Syslog'].map(
      (name) => `Sys.${name}`,
    ),
    'User.Modify',
    ...['Allocate', 'Audit', 'Backup', 'Clone', 'Console', 'Migrate', 'PowerMgmt'].map(
      (name) => `VM.${name}`,
    ),
    ...['CDROM', 'CPU', 'Cloudinit', 'Disk', 'HWType', 'Memory', 'Network', 'Options'].map(
      (name) => `VM.Config.${name}`,
    ),
    ...['Snapshot', 'Snapshot.Rollback'].map((name) => `VM.${name}`),
    ...(major >= 9 ? [...guestAgent.map((name) => `VM.GuestAgent.${name}`), 'VM.Replicate'] : ['VM.Monitor']),
  ];
}
