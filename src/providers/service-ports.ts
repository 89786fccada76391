/** A service that every sandbox offers, under the name by which callers look it up. */
export interface ServicePort {
  readonly name: string;
  readonly port: number;
}

/** cmux's ports (facts B2, scripts/pve/README.md of cmux). */
export const DEFAULT_SERVICE_PORTS: readonly ServicePort[] = [
  { name: 'worker', port: 39377 },
  { name: 'vscode', port: 39378 },
  { name: 'proxy', port: 39379 },
  { name: 'vnc', port: 39380 },
  { name: 'cdp', port: 39381 },
];
