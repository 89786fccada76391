/** Whether a program printed what a document shows. */

/** Each differs from run to run: ids, numbers. `…` leaves something out. */
const VARYING: readonly (readonly [RegExp, string])[] = [
  [/^…$/, '.*'],
  [/^(?:sbx|op)-\w+$/, '(?:sbx|op)-\\w+'],
  [/^(?:pvevm|pvelxc|morph)-[0-9a-f]+$/, '(?:pvevm|pvelxc|morph)-[0-9a-f]+'],
  [/^\d+(?:\.\d+)?$/, '\\d+(?:\\.\\d+)?'],
  [/^\s+$/, '\\s+'],
];
const PARTS = /(…|(?:sbx|op)-\w+|(?:pvevm|pvelxc|morph)-[0-9a-f]+|\d+(?:\.\d+)?|\s+)/;

/** The first line of `shown` that does not come in `printed` after the ones before it. */
export function firstMissing(shown: string, printed: string): string | undefined {
  const lines = printed.split('\n');
  let at = 0;
  for (const line of shown.split('\n')) {
    const wanted = line.trim();
    if (wanted === '' || wanted === '…') continue;
    const found = lines.findIndex((candidate, index) => index >= at && patternOf(wanted).test(candidate));
    if (found === -1) return wanted;
    at = found + 1;
  }
  return undefined;
}

function patternOf(line: string): RegExp {
  const parts = line.split(PARTS).map((part) => {
    const [, pattern] = VARYING.find(([shape]) => shape.test(part)) ?? [];
    return pattern ?? part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(parts.join(''));
}
