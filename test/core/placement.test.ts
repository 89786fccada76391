import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type NodeState, placeGuest, resumeLimitMib, startLimitMib } from '../../src/core/placement.ts';

/** 32 GiB: 27,443 MiB for starts, 30,720 MiB for resumes. */
const RESERVES = { hostMib: 2048, resumeShare: 0.1 };
const node = (name: string, changes: Partial<NodeState> = {}): NodeState => ({
  node: name,
  online: true,
  cordoned: false,
  memoryMib: 32_768,
  usedMib: 0,
  ...changes,
});
const on = (name: string, memoryMib = 8192, vmid = 9000) => ({ node: name, memoryMib, vmid });

describe('limits', () => {
  it('keeps the host and a share for resumes free of starts, and only the host free of resumes', () => {
    expect(startLimitMib(32_768, RESERVES)).toBe(27_443);
    expect(resumeLimitMib(32_768, RESERVES)).toBe(30_720);
  });

  it('never goes below nothing', () => {
    expect(startLimitMib(1024, RESERVES)).toBe(0);
    expect(resumeLimitMib(1024, RESERVES)).toBe(0);
  });
});

describe('fit', () => {
  it.each([
    ['exactly at the limit', 27_443 - 8192, true],
    ['one MiB above it', 27_443 - 8191, false],
    ['on an empty node', 0, true],
  ])('%s', (_, usedMib, fits) => {
    const placed = placeGuest([on('a')], [node('a', { usedMib })], RESERVES);
    expect(placed.candidates.length).toBe(fits ? 1 : 0);
    if (!fits) {
      expect(placed.leftOut).toEqual([
        { node: 'a', reason: '8191 MiB are left for starts and 8192 MiB are needed' },
      ]);
    }
  });

  it.each([
    ['is offline', { online: false }, 'it is offline'],
    ['is cordoned', { cordoned: true }, 'it is cordoned'],
  ])('leaves out a node that %s, with the reason', (_, changes, reason) => {
    const placed = placeGuest([on('a'), on('b')], [node('a', changes), node('b')], RESERVES);
    expect(placed.candidates).toEqual([on('b')]);
    expect(placed.leftOut).toEqual([{ node: 'a', reason }]);
  });

  it('leaves out a node whose memory cannot be read, and one that is not in use', () => {
    const { memoryMib: _, ...unreadable } = node('a');
    const placed = placeGuest([on('a'), on('b')], [unreadable], RESERVES);
    expect(placed.candidates).toEqual([]);
    expect(placed.leftOut.map(({ reason }) => reason)).toEqual([
      'its memory cannot be read',
      'it is not among the nodes in use',
    ]);
  });
});

describe('spread', () => {
  it('takes the node that is least full afterwards, by share and not by size', () => {
    const nodes = [
      node('small', { memoryMib: 32_768, usedMib: 8_192 }),
      node('large', { memoryMib: 131_072, usedMib: 16_384 }),
    ];
    const placed = placeGuest([on('small'), on('large')], nodes, RESERVES);
    expect(placed.candidates.map((option) => option.node)).toEqual(['large', 'small']);
  });

  it('keeps the order of templates on one node', () => {
    const placed = placeGuest(
      [on('a', 2048, 9001), on('a', 2048, 9000), on('b', 2048, 9002)],
      [node('a', { usedMib: 4096 }), node('b')],
      RESERVES,
    );
    expect(placed.candidates.map(({ vmid }) => vmid)).toEqual([9002, 9001, 9000]);
  });
});

it('never fills a node beyond its limit, whatever comes in whatever order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 128, max: 16_384 }), { maxLength: 60 }),
      fc.array(fc.integer({ min: 0, max: 131_072 }), { minLength: 1, maxLength: 5 }),
      (wishes, sizes) => {
        const nodes = sizes.map((memoryMib, index) => ({ ...node(`n${index}`), memoryMib, usedMib: 0 }));
        for (const memoryMib of wishes) {
          const options = nodes.map((state) => ({ node: state.node, memoryMib }));
          const [first] = placeGuest(options, nodes, RESERVES).candidates;
          const target = nodes.find((state) => state.node === first?.node);
          if (target !== undefined) target.usedMib += memoryMib;
        }
        for (const { memoryMib, usedMib } of nodes) {
          expect(usedMib).toBeLessThanOrEqual(startLimitMib(memoryMib, RESERVES));
        }
      },
    ),
  );
});
