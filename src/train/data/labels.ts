import type { LossKind } from '../losses/facts.js';
import { lossDef } from '../losses/index.js';

/**
 * How labels become numbers: names of classes in an order, integers that are class numbers as they are, or numbers to be
 * predicted. Saved with the run, so that evaluation uses the same.
 */
export type LabelMap =
  | {
      readonly kind: 'names';
      readonly names: readonly string[];
      /** where the order is from: given, the config.json of the model, or sorted as in the data (also where absent) */
      readonly order?: 'given' | 'config' | 'data';
    }
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
  const names = labelTexts(labels);
  return names.every(isInteger) ? { kind: 'integers' } : { kind: 'names', names, order: 'data' };
}

/** The distinct texts of labels that can name classes, sorted by code units. */
export function labelTexts(labels: Iterable<unknown>): readonly string[] {
  const names = new Set<string>();
  for (const label of labels) {
    const name = nameOf(label);
    if (name !== null) names.add(name);
  }
  return [...names].sort();
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
      : { why: `the label ${shown(label)} is not a number or a list of numbers` };
  }
  const name = nameOf(label);
  if (name === null) return { why: `the label ${shown(label)} is not a text, a whole number, true or false` };
  const number = isInteger(name) && Number(name) >= 0 ? Number(name) : null;
  if (map.kind === 'names') {
    const index = numbersOf(map.names).get(name);
    if (index !== undefined) return [index];
    if (map.order === undefined || map.order === 'data')
      return { why: `the label ${shown(name)} does not occur in training` };
    // names that were given name numbers
    return number !== null && number < map.names.length
      ? [number]
      : { why: `the label ${shown(name)} is not one of ${map.names.slice(0, 12).join(', ')}` };
  }
  return number !== null ? [number] : { why: `the label ${shown(label)} is not a class number` };
}

/** A label as JSON, or the start of a long one. */
function shown(label: unknown): string {
  const text = String(JSON.stringify(label));
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}

/** The number of each name, found once for each list of names: there may be many of both. */
const known = new WeakMap<readonly string[], ReadonlyMap<string, number>>();

function numbersOf(names: readonly string[]): ReadonlyMap<string, number> {
  let numbers = known.get(names);
  if (!numbers) {
    // of a name that is there twice the first counts
    numbers = new Map(names.map((name, number) => [name, number] as const).toReversed());
    known.set(names, numbers);
  }
  return numbers;
}

/** What is wrong with a number as a label of that loss; null when nothing is. */
export function valueProblem(loss: LossKind, value: number): string | null {
  if (!Number.isFinite(Math.fround(value))) return `the label ${value} is not a finite number`;
  return lossDef(loss).labelProblem?.(value) ?? null;
}

/** The classes in their order, such as `0 no, 1 yes`; null where labels are numbers. */
export function classesText(map: LabelMap | null): string | null {
  if (map?.kind !== 'names') return null;
  const shown = map.names.slice(0, 20).map((name, i) => `${i} ${name}`);
  const more = map.names.length > shown.length ? `, ... (${map.names.length})` : '';
  const order = {
    given: 'as given',
    config: 'as in config.json',
    data: 'sorted as they occur in the training data',
  }[map.order ?? 'data'];
  return `${shown.join(', ')}${more} (${order})`;
}

/** The names of the classes in their order; null where labels are numbers. */
export const labelNames = (map: LabelMap | null): readonly string[] | null =>
  map?.kind === 'names' ? map.names : null;

const isInteger = (text: string): boolean => /^-?\d{1,9}$/.test(text);

/** The text of a label that names a class: text, true, false or a whole number. */
function nameOf(label: unknown): string | null {
  if (typeof label === 'string') return label.trim();
  if (typeof label === 'boolean') return String(label);
  return typeof label === 'number' && Number.isInteger(label) ? String(label) : null;
}
