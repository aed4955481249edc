import type { TensorData } from './tensor.js';

/** The fields of a TensorProto besides its data. */
export interface TensorLabel {
  readonly name: string;
  readonly docString: string;
  readonly metadata: ReadonlyMap<string, string>;
}

const labels = new WeakMap<TensorData, TensorLabel>();
const NO_LABEL: TensorLabel = { name: '', docString: '', metadata: new Map() };

/** Name, documentation and metadata of a tensor, as read from a file or from text. */
export function labelOf(tensor: TensorData): TensorLabel {
  const { carried } = tensor;
  if (!carried) return labels.get(tensor) ?? NO_LABEL;
  return { name: carried.name, docString: carried.docString, metadata: new Map(carried.metadata) };
}

export function setLabel(tensor: TensorData, label: Partial<TensorLabel>): void {
  labels.set(tensor, { ...labelOf(tensor), ...label });
}
