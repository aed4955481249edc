import type { WeightRow } from '../src/adapter/saved-plan.js';
import { visible } from '../src/ir/visible.js';

/** 1234567 as 1,234,567. */
export const num = (value: number): string =>
  // the system's tables of languages take longer to load than most commands take
  Number.isSafeInteger(value)
    ? String(value).replace(/\B(?=(?:\d{3})+$)/g, ',')
    : value.toLocaleString('en-US');

/** `3 layers`, `1 layer`. */
export const count = (value: number, what: string): string =>
  `${num(value)} ${what}${value === 1 ? '' : 's'}`;

/** Columns of equal width; the first row is the head. Cells may hold names from files. */
export function table(rows: readonly (readonly string[])[]): string {
  const shown = rows.map((row) => row.map(visible));
  const widths = shown[0]!.map((_, column) =>
    shown.reduce((most, row) => Math.max(most, row[column]!.length), 0),
  );
  return shown
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** The weights that were trained in full and replace those of the base; empty without such weights. */
export function weightsText(weights: readonly WeightRow[]): string {
  return weights
    .map(({ places }) => `trained in full: ${places.map(({ tensor }) => visible(tensor)).join(' = ')}\n`)
    .join('');
}
