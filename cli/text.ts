import type { WeightRow } from '../src/adapter/saved-plan.js';
import { visible } from '../src/ir/visible.js';
import { REPLACED, type Written } from './outputs.js';

/** 1234567 as 1,234,567. */
export const num = (value: number): string => value.toLocaleString('en-US');

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

export function filesText(files: readonly Written[]): string {
  return files
    .map(
      (file) => `${file[REPLACED] ? 'replaced' : 'wrote'} ${visible(file.path)} (${num(file.bytes)} bytes)\n`,
    )
    .join('');
}

/** The weights that were trained in full and replace those of the base; empty without such weights. */
export function weightsText(weights: readonly WeightRow[]): string {
  return weights
    .map(({ places }) => `trained in full: ${places.map(({ tensor }) => visible(tensor)).join(' = ')}\n`)
    .join('');
}
