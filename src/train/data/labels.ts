/**
 * How labels become numbers: names of classes in sorted order, integers that are class numbers as they stand, or
 * numbers to be predicted. Saved with the run, so that evaluation uses the same.
 */
export type LabelMap =
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'integers' }
  | { readonly kind: 'values' };

/** A label that cannot be used, and why. */
export interface BadLabel {
  readonly why: string;
}

/**
 * The map that training labels ask for: when all are whole numbers (or text that spells one) they are class numbers;
 * otherwise their distinct texts, sorted by code units, are numbered. `values`: the loss wants numbers, not classes.
 */
export function labelMapOf(labels: Iterable<unknown>, values: boolean): LabelMap {
  if (values) return { kind: 'values' };
  const names = new Set<string>();
  let integers = true;
  for (const label of labels) {
    const name = nameOf(label);
    if (name === null) continue;
    names.add(name);
    if (integers && !isInteger(name)) integers = false;
  }
  return integers ? { kind: 'integers' } : { kind: 'names', names: [...names].sort() };
}

/** The label as numbers: one class number, or one or more values. */
export function encodeLabel(map: LabelMap, label: unknown): readonly number[] | BadLabel {
  if (map.kind === 'values') {
    const list = (Array.isArray(label) ? label : [label]) as readonly unknown[];
    const numbers = list.map((item) =>
      typeof item === 'string' && item.trim() !== '' ? Number(item) : item,
    );
    const fits = numbers.length > 0 && numbers.every((n) => typeof n === 'number' && Number.isFinite(n));
    return fits
      ? (numbers as readonly number[])
      : { why: `the label ${JSON.stringify(label)} is no number or list of numbers` };
  }
  const name = nameOf(label);
  if (name === null)
    return { why: `the label ${JSON.stringify(label)} is no text, whole number, true or false` };
  if (map.kind === 'names') {
    const index = map.names.indexOf(name);
    return index >= 0 ? [index] : { why: `the label ${JSON.stringify(name)} does not occur in training` };
  }
  const value = Number(name);
  return isInteger(name) && value >= 0
    ? [value]
    : { why: `the label ${JSON.stringify(label)} is no class number` };
}

const isInteger = (text: string): boolean => /^-?\d{1,9}$/.test(text);

function nameOf(label: unknown): string | null {
  if (typeof label === 'string') return label.trim();
  if (typeof label === 'boolean') return String(label);
  return typeof label === 'number' && Number.isInteger(label) ? String(label) : null;
}
