/** The parts of a task's name (pve-common UPID.pm). */
export interface Upid {
  readonly node: string;
  readonly pid: number;
  readonly pstart: number;
  /** Unix seconds. */
  readonly starttime: number;
  readonly type: string;
  /** VMID for guest tasks; for a clone the *source's*. */
  readonly id: string;
  /** `user@realm!token`. */
  readonly user: string;
}

const UPID =
  /^UPID:([a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?):([0-9A-Fa-f]{8}):([0-9A-Fa-f]{8,9}):([0-9A-Fa-f]{8}):([^:\s/]+):([^:\s/]*):([^:\s/]+):$/;

export function formatUpid(upid: Upid): string {
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, '0');
  return `UPID:${upid.node}:${hex(upid.pid)}:${hex(upid.pstart)}:${hex(upid.starttime)}:${upid.type}:${upid.id}:${upid.user}:`;
}

export function isUpid(text: string): boolean {
  return UPID.test(text);
}

/** The API shows a token's task as `user` and `tokenid`. */
export function splitUser(user: string): { readonly user: string; readonly tokenid?: string } {
  const [name = user, tokenid] = user.split('!', 2);
  return tokenid === undefined ? { user: name } : { user: name, tokenid };
}
