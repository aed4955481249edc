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

/** Entries in their order, each with its bytes in the file where it is as it was there. */
export function* withCarried<V extends string | number>(
  model: Model,
  kind: CarriedEntry['kind'],
  now: ReadonlyMap<string, V>,
): Iterable<readonly [key: string, value: V, raw: RawField | null]> {
  // of entries with one key the last counts, as for every reader of the file
  const held = new Map(
    (entries.get(model) ?? []).filter((entry) => entry.kind === kind).map((entry) => [entry.key, entry]),
  );
  for (const [key, value] of now) {
    const entry = held.get(key);
    yield [key, value, entry?.value === value ? entry.raw : null];
  }
}
