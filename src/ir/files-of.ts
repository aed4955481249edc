import type { Model } from './model.js';
import type { TensorData } from './tensor.js';

/**
 * The files that a model reads: its own, and those that hold its weights, in the order of their names. Whether they are there
 * is seen when they are read. Empty for a model that was made in memory.
 */
export function filesOf(model: Model): readonly string[] {
  const data = new Set<string>();
  const add = ({ origin }: TensorData): void => {
    // a name in angle brackets is that of bytes in memory
    if (origin.kind === 'file' && !origin.path.startsWith('<')) data.add(origin.path);
  };
  for (const tensor of storedTensors(model)) add(tensor);
  const { path } = model;
  if (path !== null) data.delete(path);
  return [...(path === null ? [] : [path]), ...[...data].sort()];
}

/** Every tensor of a model: its initializers, and those of attributes, as Constant has them. */
export function* storedTensors(model: Model): IterableIterator<TensorData> {
  for (const graph of model.everyGraph()) {
    for (const { constant } of graph.initializers.values()) if (constant) yield constant;
    for (const node of graph.nodes) {
      for (const attr of node.attrs.values()) {
        if (attr.kind === 'tensor') yield attr.value;
        if (attr.kind === 'tensors') yield* attr.value;
      }
    }
  }
}
