/**
 * What is written into a guest before it boots for the first time, besides its size and tags: the environment of
 * a container, cloud-init of a VM. A `{{secret:NAME}}` in it becomes a secret made for this guest alone, such as
 * the token with which cmux's exec daemon is called.
 *
 * From 9.1 on a container has `env` (facts §5). Before, cmux writes the token into a line of the description, and
 * a hookscript puts it into the environment at each start; no token may set a hookscript, so it has to be on the
 * template, from which clones inherit it (facts B4; cmux scripts/pve/cmux-lxc-execd-token-hook.sh).
 *
 * A secret is kept nowhere but in the guest's own configuration until its start has succeeded, so an attempt that
 * takes over reads it there. A clone inherits its template's environment, with whatever token is in that: so ours
 * says for which guest it was written, and counts only there. A description is the clone's own from the start.
 */
import { randomBytes } from 'node:crypto';
import type { ProviderCall } from '../provider.ts';
import type { PveApi } from './pve-api.ts';
import { type GuestConfig, versionSchema } from './pve-schemas.ts';

export interface FirstBootOptions {
  /** Environment of containers. */
  readonly env?: Readonly<Record<string, string>>;
  /** A line of a container's description, for a hookscript, where `env` does not exist yet. */
  readonly descriptionLine?: string;
  /** Cloud-init of VMs, by Proxmox's own names: `ciuser`, `sshkeys`, `ipconfig0`, … Without secrets. */
  readonly cloudInit?: Readonly<Record<string, string>>;
}

/** cmux's own names (packages/pve-lxc-client/src/execd-auth.ts, cmux b8ca0c07e). */
export const CMUX_EXEC_TOKEN: FirstBootOptions = {
  env: { CMUX_EXECD_AUTH_TOKEN: '{{secret:execToken}}' },
  descriptionLine: 'cmux-execd-auth-token={{secret:execToken}}',
};

/** How a container is told what it needs at its first boot. */
export type FirstBootChannel = 'env' | 'description';

/** The entry that says whose environment it is. */
const GUEST_ENTRY = 'CMUX_LIFECYCLE_GUEST';
const PLACEHOLDER = /\{\{secret:(\w+)\}\}/g;
/** As cmux's token: 32 bytes in hex. */
const SECRET_BYTES = 32;
const SECRET_PATTERN = '([0-9a-f]{64})';

export async function chooseChannel(
  api: PveApi,
  call: Pick<ProviderCall, 'signal'>,
): Promise<FirstBootChannel> {
  const { version } = await api.read('/version', versionSchema, call);
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 9 || (major === 9 && minor >= 1) ? 'env' : 'description';
}

/** The parameters of a container's first PUT; undefined when all of it is there already. */
export function containerParameters(
  options: FirstBootOptions,
  channel: FirstBootChannel,
  config: GuestConfig,
  guestId: string,
): Readonly<Record<string, string>> | undefined {
  return channel === 'env'
    ? environmentParameters(options.env ?? {}, config, guestId)
    : descriptionParameters(options.descriptionLine, config);
}

function environmentParameters(
  env: Readonly<Record<string, string>>,
  config: GuestConfig,
  guestId: string,
): Readonly<Record<string, string>> | undefined {
  if (Object.keys(env).length === 0 || isWrittenFor(guestId, config)) return undefined;
  const entries = new Map(entriesOf(config.env));
  const secrets = new Map<string, string>();
  for (const [name, template] of Object.entries(env)) entries.set(name, fillIn(template, secrets));
  entries.set(GUEST_ENTRY, guestId);
  return { env: [...entries].map(([name, value]) => `${name}=${value}`).join('\0') };
}

function descriptionParameters(
  line: string | undefined,
  config: GuestConfig,
): Readonly<Record<string, string>> | undefined {
  if (line === undefined || asPattern(line).test(config.description ?? '')) return undefined;
  const before = (config.description ?? '').replace(/\n+$/, '');
  return { description: `${before}\n${fillIn(line, new Map())}` };
}

/** The secrets that were written into this guest, by name. */
export function readSecrets(
  options: FirstBootOptions,
  config: GuestConfig,
  guestId: string,
): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  if (isWrittenFor(guestId, config)) {
    const entries = new Map(entriesOf(config.env));
    for (const [name, template] of Object.entries(options.env ?? {})) {
      Object.assign(found, takeOut(template, entries.get(name) ?? ''));
    }
  } else if (options.descriptionLine !== undefined) {
    Object.assign(found, takeOut(options.descriptionLine, config.description ?? ''));
  }
  return found;
}

function isWrittenFor(guestId: string, config: GuestConfig): boolean {
  return new Map(entriesOf(config.env)).get(GUEST_ENTRY) === guestId;
}

function entriesOf(env: string | undefined): readonly (readonly [string, string])[] {
  return (env ?? '').split('\0').flatMap((entry) => {
    const [, name, value] = /^(\w+)=(.*)$/s.exec(entry) ?? [];
    return name === undefined || value === undefined ? [] : [[name, value] as const];
  });
}

function fillIn(template: string, secrets: Map<string, string>): string {
  return template.replace(PLACEHOLDER, (_, name: string) => {
    const secret = secrets.get(name) ?? randomBytes(SECRET_BYTES).toString('hex');
    secrets.set(name, secret);
    return secret;
  });
}

function takeOut(template: string, text: string): Readonly<Record<string, string>> {
  const names = [...template.matchAll(PLACEHOLDER)].map(([, name]) => name ?? '');
  const values = asPattern(template).exec(text)?.slice(1) ?? [];
  return Object.fromEntries(names.flatMap((name, index) => (values[index] ? [[name, values[index]]] : [])));
}

function asPattern(template: string): RegExp {
  const parts = template
    .split(/\{\{secret:\w+\}\}/)
    .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(parts.join(SECRET_PATTERN));
}

/** The parameters of a VM that are not as they should be; cloud-init keys are compared as text. */
export function cloudInitParameters(
  options: FirstBootOptions,
  config: GuestConfig,
): Readonly<Record<string, string>> {
  const wanted = Object.entries(options.cloudInit ?? {});
  return Object.fromEntries(
    wanted.flatMap(([key, value]) => {
      // Proxmox wants keys encoded once more inside the value (facts §4), and shows no password it has.
      const sent = key === 'sshkeys' ? encodeURIComponent(value) : value;
      const has = config.texts[key];
      return has === sent || (key === 'cipassword' && has !== undefined) ? [] : [[key, sent]];
    }),
  );
}
