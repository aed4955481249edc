import { badTrainingFolder } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import type { TensorData } from '../ir/tensor.js';
import type { Signature } from './signature.js';

/** Throws LOTR8201 when a parameter, or its state in the optimizer, is not in the file of the initial state. */
export function requireState(
  file: string,
  { params, changes = [], optimizer, graphs }: Signature,
  tensors: ReadonlyMap<string, Pick<TensorData, 'dtype' | 'shape'>>,
): void {
  const refuse = (why: string): never => fail(badTrainingFolder({ file, why }));
  const parts = new Set(changes.flatMap(({ factors }) => factors));
  const rows = [
    ...params.map((row) => ({ ...row, held: true, steps: row.trainable && !parts.has(row.name) })),
    // made of the factors in each step
    ...changes.map((row) => ({ ...row, held: false, steps: true })),
  ];
  for (const { name, shape, held, steps } of rows) {
    const slots = steps ? optimizer.slots.map((slot) => `${name}/${slot}`) : [];
    for (const wanted of [...(held ? [name] : []), ...slots]) {
      const found = tensors.get(wanted);
      if (found?.dtype !== 'f32' || found.shape.join() !== shape.join())
        refuse(`it has no f32 tensor ${JSON.stringify(wanted)} of shape [${shape.join(',')}]`);
    }
  }
  for (const graph of Object.values(graphs)) {
    for (const { name, role } of graph.inputs) {
      if ((role === 'param' || role === 'state') && !tensors.has(name))
        refuse(`it has no tensor ${JSON.stringify(name)}, which ${graph.file} reads`);
    }
  }
}
