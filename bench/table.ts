/** Columns padded to their widest cell; the first is set left, the others right. */
export function alignedTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [line(rows[0]!), rule, ...rows.slice(1).map(line)].map((text) => text.trimEnd()).join('\n');
}

export const secondsText = (seconds: number): string => `${seconds.toFixed(seconds < 10 ? 3 : 1)} s`;

export const bytesText = (bytes: number | null): string =>
  bytes === null ? '-' : `${(bytes / 1e6).toFixed(0)} MB`;
