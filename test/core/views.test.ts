import { describe, expect, it } from 'vitest';
import { SANDBOX_STATES, type Sandbox, type SandboxState } from '../../src/core/sandbox.ts';
import { viewSandbox } from '../../src/core/views.ts';

function sandbox(state: SandboxState): Sandbox {
  return {
    id: 'sbx-1',
    state,
    version: 1,
    epoch: 1,
    request: { metadata: {}, protected: false, onExpiry: 'pause' } as unknown as Sandbox['request'],
    createdAtMs: 0,
    updatedAtMs: 0,
    cause: 'op-1',
    placement: {
      provider: 'pve-vm',
      guestId: 'pvevm-1',
      nativeId: '20000',
      hostname: 'pvevm-1',
      endpoints: [{ name: 'worker', port: 39377, url: 'https://worker.example.com' }],
      simulated: false,
    },
  };
}

describe('what callers see of a sandbox', () => {
  it.each(SANDBOX_STATES)('%s: it offers endpoints only while they can lead somewhere', (state) => {
    const ended = ['destroyed', 'failed', 'lost'].includes(state);
    const { endpoints, guestId } = viewSandbox(sandbox(state));
    expect(endpoints).toEqual(ended ? {} : { worker: 'https://worker.example.com' });
    expect(guestId).toBe('pvevm-1');
  });
});
