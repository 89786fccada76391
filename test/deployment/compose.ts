/** docker-compose.yml as docker compose would understand it, as far as it is used here. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export interface ComposeService {
  /** Absent: it is always started. */
  readonly profiles?: readonly string[];
  readonly image?: string;
  readonly build?: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly env_file?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly (string | { readonly source: string; readonly target: string })[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck: {
    readonly test: readonly string[];
    readonly interval: string;
    readonly timeout: string;
  };
  readonly restart: string;
  readonly stop_grace_period?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly logging: { readonly options: Readonly<Record<string, string>> };
  readonly deploy: {
    readonly replicas?: number;
    readonly resources: { readonly limits: { readonly cpus: string; readonly memory: string } };
  };
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

export function readCompose(): ComposeFile {
  return parse(readFileSync('docker-compose.yml', 'utf8'), { merge: true }) as ComposeFile;
}

/** `${NAME:-default}` and `${NAME:?message}`, as compose fills them in from `.env`. */
export function interpolate(
  environment: Readonly<Record<string, string>>,
  values: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(environment).map(([name, text]) => [
      name,
      text.replace(/\$\{(\w+):([-?])([^}]*)\}/g, (_whole, key: string, kind: string, rest: string) => {
        const value = values[key];
        if (value) return value;
        if (kind === '?') throw new Error(`${key}: ${rest}`);
        return rest;
      }),
    ]),
  );
}
