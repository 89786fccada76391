/**
 * The marker: our signature on a guest. On Proxmox it is one line of the description (other lines are kept),
 * on Morph it is metadata. It holds creation-time facts only, because the configuration of a hibernated VM
 * is read-only. A copy made by a person does not count: `guest` must match the guest that carries it.
 */
export interface Marker {
  readonly deployment: string;
  readonly install: string;
  readonly sandbox: string;
  readonly guest: string;
  /** Proxmox only: a copy under another VMID is no guest of ours. */
  readonly vmid?: number;
  readonly operation: string;
  readonly attempt: number;
  readonly preset?: string;
  readonly team?: string;
  readonly user?: string;
  readonly taskRun?: string;
  readonly workload?: string;
  readonly ttlSeconds?: number;
  readonly protected?: boolean;
  readonly idleTimeoutSeconds?: number;
  readonly onExpiry?: 'pause' | 'destroy';
  /** Whether its memory has to be kept when it is paused. */
  readonly requiresRam?: boolean;
  /** When its sandbox was asked for. Unix time, ms. */
  readonly createdAtMs?: number;
}

const LINE_PREFIX = 'cmux-lifecycle/1 ';

/** The marker as the one description line that Proxmox guests carry. */
export function formatMarkerLine(marker: Marker): string {
  return LINE_PREFIX + JSON.stringify(marker);
}

/** Finds the marker among the lines of a description; `undefined` if there is none that can be read. */
export function parseMarkerLine(description: string): Marker | undefined {
  const line = description.split('\n').find((candidate) => candidate.startsWith(LINE_PREFIX));
  if (line === undefined) return undefined;
  try {
    return asMarker(JSON.parse(line.slice(LINE_PREFIX.length)));
  } catch {
    // A line that a person edited is no marker of ours.
    return undefined;
  }
}

/** Puts our line into a description that may hold other people's lines, replacing an inherited marker. */
export function withMarkerLine(description: string, marker: Marker): string {
  const lines = description === '' ? [] : description.split('\n');
  const others = lines.filter((line) => !line.startsWith(LINE_PREFIX));
  return [formatMarkerLine(marker), ...others].join('\n');
}

const METADATA_PREFIX = 'cmuxLifecycle.';

/** The marker as flat string metadata, which is all that Morph keeps. */
export function markerToMetadata(marker: Marker): Record<string, string> {
  return Object.fromEntries(
    Object.entries(marker).map(([key, value]) => [METADATA_PREFIX + key, String(value)]),
  );
}

/** The metadata key of one marker field, for provider-side filters. */
export function markerMetadataKey(field: keyof Marker): string {
  return METADATA_PREFIX + field;
}

export function markerFromMetadata(metadata: Readonly<Record<string, string>>): Marker | undefined {
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(metadata)) {
    if (key.startsWith(METADATA_PREFIX)) fields[key.slice(METADATA_PREFIX.length)] = value;
  }
  for (const name of ['attempt', 'ttlSeconds', 'vmid', 'idleTimeoutSeconds', 'createdAtMs']) {
    if (fields[name] !== undefined) fields[name] = Number(fields[name]);
  }
  for (const name of ['protected', 'requiresRam']) {
    if (fields[name] !== undefined) fields[name] = fields[name] === 'true';
  }
  return asMarker(fields);
}

function asMarker(value: unknown): Marker | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Record<string, unknown>;
  const required = ['deployment', 'install', 'sandbox', 'guest', 'operation'];
  const complete = required.every((name) => typeof fields[name] === 'string' && fields[name] !== '');
  return complete && Number.isInteger(fields.attempt) ? (fields as unknown as Marker) : undefined;
}
