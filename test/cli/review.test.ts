/** The review of a month: what the data answers, and where it says that it cannot. */
import { describe, expect, it } from 'vitest';
import { type Review, reviewSheets } from '../../src/main/review.ts';

const NOTHING: Review = {
  month: '2026-11',
  costs: { lines: [], totalMicroUsd: 0, otherMicroUsd: 0 } as unknown as Review['costs'],
  savings: {
    months: [],
    target: { totalMicroUsd: 300_000_000, sandboxesPercent: [70, 90] },
  } as unknown as Review['savings'],
  fallbacks: { microUsd: 0, runningMs: 0 },
  ramSnapshotHours: 0,
  virtualMachines: { runningHours: 0, ramSnapshotHours: 0, simulated: false },
  startLatency: [],
  resumeLatency: [],
  resumes: { count: 0, memoryKept: 0 },
};

function answerTo(question: string, known: Partial<Review> = {}): string {
  const rows = reviewSheets({ ...NOTHING, ...known }).flatMap((sheet) => sheet.rows);
  return rows.find(([asked]) => asked === question)?.[1] ?? 'not asked';
}

describe('the roadmap’s open questions', () => {
  it.each([
    ['no VM ran', {}, 'no VM ran on Proxmox'],
    [
      'VMs ran on simulated nodes',
      { runningHours: 9, ramSnapshotHours: 3, simulated: true },
      'Proxmox is simulated here',
    ],
  ])('whether hosts have KVM cannot be told when %s', (_when, machines, why) => {
    const virtualMachines = { ...NOTHING.virtualMachines, ...machines };
    const answer = answerTo('KVM/hardware virtualization?', { virtualMachines });
    expect(answer).toContain(`this data cannot tell: ${why}`);
    expect(answer).toContain('/dev/kvm');
  });

  it('nodes have KVM when VMs ran on them, and containers could not have kept the memory', () => {
    const virtualMachines = { runningHours: 9, ramSnapshotHours: 3, simulated: false };
    const answer = answerTo('KVM/hardware virtualization?', { virtualMachines });
    expect(answer).toContain('VMs ran for 9 h. For 3 h they were paused with their memory');
    expect(answer).not.toContain('cannot tell');
  });

  it('memory across pauses is used, and whether it is critical needs a trial', () => {
    const question = 'Morph RAM snapshots critical?';
    expect(answerTo(question)).toContain('not used in this month');
    const answer = answerTo(question, { ramSnapshotHours: 40, resumes: { count: 8, memoryKept: 7 } });
    expect(answer).toContain('for 40 h, and of the last week’s 8 resumes 7 went on with it');
    expect(answer).toContain('this data cannot tell');
  });

  it('latency is what was measured; what people need is asked of them', () => {
    const startLatency = [{ provider: 'pve-vm', count: 12, medianMs: 5_200, p95Ms: 7_900 }] as const;
    const answer = answerTo('Latency requirements?', { startLatency });
    expect(answer).toContain('start pve-vm 5.2 s (p95 7.9 s, of 12); resume none in the last week');
    expect(answer).toContain('ask them');
  });

  it('WebSockets are seen by the edge router alone', () => {
    expect(answerTo('WebSocket support needed?')).toMatch(/^this data cannot tell: .*edge router/);
  });
});
