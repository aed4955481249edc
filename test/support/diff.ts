/** A unified diff of two texts with three lines of context; '' when they are equal. */
export function unifiedDiff(expected: string, actual: string, name: string): string {
  if (expected === actual) return '';
  const rows = align(expected.split('\n'), actual.split('\n'));
  const near = rows.map((_, i) => rows.slice(Math.max(0, i - 3), i + 4).some(([mark]) => mark !== ' '));
  const lines = [`--- ${name} (expected)`, `+++ ${name} (now)`];
  for (const [i, [mark, text]] of rows.entries()) {
    if (!near[i]) continue;
    if (i === 0 || !near[i - 1])
      lines.push(`@@ line ${rows.slice(0, i).filter(([m]) => m !== '+').length + 1} @@`);
    lines.push(`${mark}${text}`);
  }
  return lines.join('\n');
}

/**
 * What differs from another text, for an expected file: no line numbers, which every change above would change, and of lines that
 * are gone only the first. Each place starts with the last line that both have.
 */
export function differences(base: string, text: string): string {
  if (base === text) return '';
  const lines: string[] = [];
  let [common, gone] = ['the start', 0];
  const count = () => {
    if (gone > 1) lines.push(`-... ${gone} lines`);
    gone = 0;
  };
  for (const [i, [mark, line], all] of align(base.split('\n'), text.split('\n')).map(
    (row, k, rows) => [k, row, rows] as const,
  )) {
    if (mark !== '-') count();
    if (mark === ' ') {
      if (line.trim() !== '') common = line.trim();
      continue;
    }
    if (i === 0 || all[i - 1]![0] === ' ') lines.push(`@@ ${common}`);
    if (mark === '+') lines.push(`+${line}`);
    else if (++gone === 1) lines.push(`-${line}`);
  }
  count();
  return `${lines.join('\n')}\n`;
}

type Row = readonly [' ' | '-' | '+', string];

/** Longest common subsequence of lines, after the common start and end are set aside. */
function align(a: readonly string[], b: readonly string[]): Row[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const [left, right] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
  const length = Array.from({ length: left.length + 1 }, () => new Uint32Array(right.length + 1));
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      length[i]![j] =
        left[i] === right[j] ? length[i + 1]![j + 1]! + 1 : Math.max(length[i + 1]![j]!, length[i]![j + 1]!);
    }
  }
  const rows: Row[] = a.slice(0, start).map((line) => [' ', line]);
  for (let i = 0, j = 0; i < left.length || j < right.length; ) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      rows.push([' ', left[i++]!]);
      j++;
    } else if (j === right.length || (i < left.length && length[i + 1]![j]! >= length[i]![j + 1]!)) {
      rows.push(['-', left[i++]!]);
    } else rows.push(['+', right[j++]!]);
  }
  return [...rows, ...a.slice(a.length - end).map((line): Row => [' ', line])];
}
