import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatMarkerLine,
  type Marker,
  markerFromMetadata,
  markerMetadataKey,
  markerToMetadata,
  parseMarkerLine,
  withMarkerLine,
} from '../../src/core/marker.ts';

const word = fc.string({ minLength: 1, unit: 'binary' });

/** Any marker there can be: required texts not empty, the rest there or not, with any characters. */
const markers: fc.Arbitrary<Marker> = fc.record(
  {
    deployment: word,
    install: word,
    sandbox: word,
    guest: word,
    operation: word,
    attempt: fc.nat(),
    vmid: fc.integer({ min: 100, max: 999_999_999 }),
    preset: fc.string({ unit: 'binary' }),
    team: fc.string({ unit: 'binary' }),
    user: fc.string({ unit: 'binary' }),
    taskRun: fc.string({ unit: 'binary' }),
    workload: fc.string({ unit: 'binary' }),
    ttlSeconds: fc.nat(),
    protected: fc.boolean(),
  },
  {
    requiredKeys: ['deployment', 'install', 'sandbox', 'guest', 'operation', 'attempt'],
    noNullPrototype: true,
  },
) as fc.Arbitrary<Marker>;

/** Lines that people write, empty ones between paragraphs included. */
const otherLine = fc
  .string({ unit: 'grapheme' })
  .map((line) => line.replaceAll('\n', ' '))
  .filter((line) => !line.startsWith('cmux-lifecycle/'));

const MARKER: Marker = {
  deployment: 'production',
  install: 'in-1',
  sandbox: 'sb-1',
  guest: 'pvevm-0a1b2c3d',
  vmid: 20_001,
  operation: 'op-1',
  attempt: 2,
  team: 'team "a"\nsecond line',
  ttlSeconds: 3600,
  protected: false,
};

describe('the marker as a description line', () => {
  it('comes back as it was, whatever its texts hold', () => {
    fc.assert(
      fc.property(markers, (marker) => {
        expect(parseMarkerLine(formatMarkerLine(marker))).toEqual(marker);
      }),
    );
  });

  it('is one line, whatever its texts hold', () => {
    fc.assert(
      fc.property(markers, (marker) => {
        expect(formatMarkerLine(marker)).not.toContain('\n');
      }),
    );
  });

  it('is found among the lines of other people, which are all kept in order', () => {
    fc.assert(
      fc.property(fc.array(otherLine), markers, (lines, marker) => {
        const description = withMarkerLine(lines.join('\n'), marker);
        expect(parseMarkerLine(description)).toEqual(marker);
        const others = description.split('\n').slice(1).join('\n');
        expect(others).toBe(lines.join('\n'));
      }),
    );
  });

  it('replaces the marker that a clone inherited', () => {
    fc.assert(
      fc.property(fc.array(otherLine), markers, markers, (lines, inherited, own) => {
        const description = withMarkerLine(withMarkerLine(lines.join('\n'), inherited), own);
        expect(parseMarkerLine(description)).toEqual(own);
        expect(description).toBe(withMarkerLine(lines.join('\n'), own));
      }),
    );
  });

  it('does not grow when it is written again', () => {
    const once = withMarkerLine('first\n\nsecond\n', MARKER);
    expect(withMarkerLine(once, MARKER)).toBe(once);
    expect(withMarkerLine(withMarkerLine('', MARKER), MARKER)).toBe(formatMarkerLine(MARKER));
  });

  it.each([
    ['an empty description', ''],
    ['a description of other people', 'web server, ask Ann'],
    ['JSON without our prefix', JSON.stringify(MARKER)],
    ['our prefix with nothing', 'cmux-lifecycle/1 '],
    ['a line cut short', formatMarkerLine(MARKER).slice(0, -1)],
    ['a line with text added at its end', `${formatMarkerLine(MARKER)} (do not delete)`],
    ['a line with text before it', `# ${formatMarkerLine(MARKER)}`],
    ['another version of the form', formatMarkerLine(MARKER).replace('/1 ', '/2 ')],
    ['a list', 'cmux-lifecycle/1 []'],
    ['null', 'cmux-lifecycle/1 null'],
    ['a text', 'cmux-lifecycle/1 "sb-1"'],
  ])('%s is no marker', (_case, description) => {
    expect(parseMarkerLine(description)).toBeUndefined();
  });

  it.each(['deployment', 'install', 'sandbox', 'guest', 'operation', 'attempt'] as const)(
    'without %s, or with another type in its place, is none',
    (field) => {
      const { [field]: _, ...rest } = MARKER;
      const wrong = { ...MARKER, [field]: field === 'attempt' ? '2' : 7 };
      expect(parseMarkerLine(`cmux-lifecycle/1 ${JSON.stringify(rest)}`)).toBeUndefined();
      expect(parseMarkerLine(`cmux-lifecycle/1 ${JSON.stringify(wrong)}`)).toBeUndefined();
    },
  );

  it.each([
    ['an attempt that is no whole number', { attempt: 1.5 }],
    ['an empty guest', { guest: '' }],
  ])('with %s is none', (_case, change) => {
    expect(parseMarkerLine(`cmux-lifecycle/1 ${JSON.stringify({ ...MARKER, ...change })}`)).toBeUndefined();
  });
});

describe('the marker as metadata', () => {
  it('comes back as it was, among the metadata of the caller', () => {
    const callers = fc.dictionary(
      fc.string().filter((key) => !key.startsWith('cmuxLifecycle.')),
      fc.string(),
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(markers, callers, (marker, others) => {
        expect(markerFromMetadata({ ...others, ...markerToMetadata(marker) })).toEqual(marker);
      }),
    );
  });

  it('is made of texts only', () => {
    fc.assert(
      fc.property(markers, (marker) => {
        expect(Object.values(markerToMetadata(marker)).every((value) => typeof value === 'string')).toBe(
          true,
        );
      }),
    );
  });

  it('can be asked for by one field', () => {
    const metadata = markerToMetadata(MARKER);
    expect(metadata[markerMetadataKey('guest')]).toBe(MARKER.guest);
    expect(metadata[markerMetadataKey('protected')]).toBe('false');
  });

  it.each([
    ['no metadata', {}],
    ['metadata of callers only', { app: 'cmux', sandbox: 'sb-1' }],
    [
      'a marker with an edited attempt',
      { ...markerToMetadata(MARKER), [markerMetadataKey('attempt')]: 'two' },
    ],
    ['a marker with an emptied guest', { ...markerToMetadata(MARKER), [markerMetadataKey('guest')]: '' }],
  ])('%s is none', (_case, metadata) => {
    expect(markerFromMetadata(metadata)).toBeUndefined();
  });
});
