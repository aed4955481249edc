import type { HeldAttr } from '../attr.js';
import type { Model } from '../model.js';
import type { TensorData } from '../tensor.js';
import { labelOf } from '../tensor-label.js';

/**
 * What a model holds and its text does not: kind -> count. Fields that the IR does not model exist only in the binary
 * form; the last line of the text counts them, and a model read from text remembers that they are missing.
 */
export type OmittedFields = ReadonlyMap<string, number>;

const remembered = new WeakMap<Model, OmittedFields>();

/** For the parser: what the model that the text shows had besides. */
export function rememberOmitted(model: Model, counts: OmittedFields): void {
  remembered.set(model, counts);
}

/** Counts what `printModel` leaves out. For a model read from text: what was left out when that was printed. */
export function omittedFields(model: Model): OmittedFields {
  const counts = new Map<string, number>(remembered.get(model));
  const add = (kind: string, by: number): void => {
    if (by > 0) counts.set(kind, (counts.get(kind) ?? 0) + by);
  };
  const fields = (
    carried: { readonly unknown: readonly { readonly field: number }[] } | null | undefined,
  ): void => {
    if (carried) add('unknown_fields', carried.unknown.length);
  };
  const tensor = (data: TensorData): void => fields(data.carried);
  const attrs = (held: Iterable<HeldAttr>): void => {
    for (const attr of held) {
      if (attr.kind !== 'raw') fields(attr.carried);
      const tensors = attr.kind === 'tensor' ? [attr.value] : attr.kind === 'tensors' ? attr.value : [];
      for (const data of tensors) {
        tensor(data);
        const { docString, metadata } = labelOf(data);
        if (docString !== '' || metadata.size > 0) add('attribute_tensor_documents', 1);
      }
    }
  };
  fields(model.carried);
  for (const fn of model.functions.values()) {
    fields(fn.carried);
    attrs(fn.defaults.map(([, attr]) => attr));
    add('default_documents', fn.defaults.filter(([, attr]) => attr.docString).length);
  }
  for (const graph of model.everyGraph()) {
    // a sparse initializer is one unmodelled field of its graph: counted by name instead
    const sparse = [...graph.ownValues()].filter((value) => value.isSparse).length;
    add('sparse_initializers', sparse);
    add('unknown_fields', Math.max(0, (graph.carried?.unknown.length ?? 0) - sparse));
    for (const info of [...graph.inputInfo, ...graph.outputInfo]) fields(info.carried);
    for (const carried of graph.valueInfo.values()) fields(carried);
    for (const value of graph.initializers.values()) if (value.constant) tensor(value.constant);
    for (const node of graph.nodes) {
      fields(node.carried);
      attrs(node.attrs.values());
    }
  }
  return counts;
}
