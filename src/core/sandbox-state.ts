export const SANDBOX_STATES = [
  'requested',
  'starting',
  'running',
  'pausing',
  'paused',
  'resuming',
  'destroying',
  'destroyed',
  'failed',
  'lost',
  'stuck',
] as const;

/**
 * `requested → starting → running → pausing → paused → resuming → running`, `destroying → destroyed`.
 * `failed`: its start gave up. `lost`: proved absent at the provider. `stuck`: only a person at the
 * provider can free it; it stays in the inventory.
 */
export type SandboxState = (typeof SANDBOX_STATES)[number];
