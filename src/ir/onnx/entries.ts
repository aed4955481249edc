import type { RawField } from '../carried.js';
import type { Model } from '../model.js';

/** An entry of opset_import or metadata_props as it was in the file. */
interface CarriedEntry {
  readonly kind: 'opset' | 'metadata';
  readonly key: string;
  readonly value: string | number;
  readonly raw: RawField;
}

const entries = new WeakMap<Model, CarriedEntry[]>();

/** Remembers an entry's bytes, so that an edited model still writes unchanged entries as they were. */
export function carryEntry(
  model: Model,
  kind: CarriedEntry['kind'],
  key: string,
  value: string | number,
  raw: RawField,
): void {
  const held = entries.get(model) ?? [];
  held.push({ kind, key, value, raw });
  entries.set(model, held);
}

export function carriedEntries(model: Model, kind: CarriedEntry['kind']): readonly CarriedEntry[] {
  return (entries.get(model) ?? []).filter((entry) => entry.kind === kind);
}
