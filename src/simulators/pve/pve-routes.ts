import type { Access } from './access.ts';
import type { Parameters, ParameterTable, ParameterValue, RawParameters } from './parameters.ts';

/** One endpoint. `parameters` includes those in the path, as in Proxmox's own schema. */
export interface PveRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** For example `/nodes/{node}/qemu/{vmid}/clone`. */
  readonly path: string;
  readonly parameters: ParameterTable;
  readonly permit?: (access: Access, raw: RawParameters) => void;
  readonly handle: (call: PveCall) => PveResult | Promise<PveResult>;
}

export interface PveCall<P = Readonly<Record<string, ParameterValue | undefined>>> {
  readonly params: P;
  /** The node of the path, `localhost` resolved; the first node where the path has none. */
  readonly node: string;
  /** `user@realm!token`. */
  readonly user: string;
  readonly access: Access;
}

export interface PveResult {
  readonly data: unknown;
  /** Lists that can be paged say how many there are. */
  readonly total?: number;
}

/** Ties the handler's parameter types to the table. */
export function route<const T extends ParameterTable>(
  definition: Omit<PveRoute, 'parameters' | 'handle'> & {
    readonly parameters: T;
    readonly handle: (call: PveCall<Parameters<T>>) => PveResult | Promise<PveResult>;
  },
): PveRoute {
  // Sound because the dispatcher checks the request against this very table before it calls the handler.
  return definition as unknown as PveRoute;
}

export const NODE_PARAMETERS = { node: { type: 'string', format: 'pve-node' } } as const;

export const VMID_PARAMETERS = {
  ...NODE_PARAMETERS,
  vmid: { type: 'integer', format: 'pve-vmid', min: 100, max: 999_999_999 },
} as const;

/** The permission nearly every guest endpoint asks for. */
export function onVm(...privileges: readonly string[]): (access: Access, raw: RawParameters) => void {
  return (access, raw) => access.require(`/vms/${String(raw.vmid)}`, ...privileges);
}

export interface RouteMatch {
  readonly route: PveRoute;
  readonly pathParameters: RawParameters;
}

export function findRoute(
  routes: readonly PveRoute[],
  method: string,
  segments: readonly string[],
): RouteMatch | undefined {
  for (const candidate of routes) {
    if (candidate.method !== method) continue;
    const pathParameters = matchPath(candidate.path, segments);
    if (pathParameters !== undefined) return { route: candidate, pathParameters };
  }
  return undefined;
}

function matchPath(template: string, segments: readonly string[]): RawParameters | undefined {
  const parts = template.split('/').slice(1);
  if (parts.length !== segments.length) return undefined;
  const values: Record<string, string> = {};
  for (const [index, part] of parts.entries()) {
    const segment = segments[index] ?? '';
    if (part.startsWith('{')) values[part.slice(1, -1)] = segment;
    else if (part !== segment) return undefined;
  }
  return values;
}
