import { badData } from '../../ir/codes/train.js';
import { fail } from '../../ir/diagnostics.js';
import { isFloat } from '../../ir/dtype.js';
import { readSafetensors } from '../../ir/files/safetensors.js';
import { toF64, toIntegers } from '../../ir/values.js';
import type { LossKind } from '../signature.js';
import type { Batch, Column, Dataset } from './dataset.js';
import { valueProblem } from './labels.js';

interface Held extends Column {
  /** elements of one row */
  readonly width: number;
}

export interface TensorTask {
  /** name of the label input */
  readonly label: string;
  readonly loss: LossKind;
  /** classes of the model, where they are fixed */
  readonly classes: number | null;
  /** value of labels that do not count */
  readonly ignored: number;
}

/**
 * Ready tensors from a safetensors file: one tensor per input of the model and one with the labels (named as the label
 * input, or `labels`), each with one row per example. Throws LOTR8204, also for labels that are not classes of the model or
 * not in the range of the loss, and those of `readSafetensors`.
 */
export function tensorDataset(file: string, task: TensorTask): Dataset {
  const { label, loss, ignored } = task;
  const { tensors } = readSafetensors(file);
  const refuse = (why: string): never => fail(badData({ file, why }));
  const held = new Map<string, Held>();
  let size: number | null = null;
  for (const [name, tensor] of tensors) {
    const [rows] = tensor.shape;
    if (rows === undefined) return refuse(`tensor "${name}" has no dimension for examples`);
    if (size !== null && rows !== size)
      return refuse(`tensor "${name}" has ${rows} rows, and others have ${size}`);
    size = rows;
    const data = isFloat(tensor.dtype)
      ? Float32Array.from(toF64(tensor))
      : Int32Array.from(toIntegers(tensor));
    held.set(name, { shape: tensor.shape, data, width: data.length / Math.max(1, rows) });
  }
  if (!size) return refuse('it has no examples');
  const found = held.get(label) ?? held.get('labels') ?? refuse(`it has no tensor "${label}"`);
  const values = loss !== 'cross-entropy';
  if (!values && found.data instanceof Float32Array) return refuse('its labels are not integers');
  const why = labelProblem(found, task);
  if (why !== null) return refuse(why);
  const labels: Held = values ? { ...found, data: Float32Array.from(found.data) } : found;
  const inputs = [...held].filter(([, tensor]) => tensor !== found);
  const batch = (indices: ArrayLike<number>, filled = indices.length): Batch => ({
    columns: new Map(inputs.map(([name, tensor]) => [name, rowsOf(tensor, indices, filled, null)])),
    labels: rowsOf(labels, indices, filled, ignored),
    examples: indices.length,
    tokens: null,
  });
  return { size, unit: 'example', columns: inputs.map(([name]) => name), batch };
}

/** The first label that cannot be used, with its row; null when all can. */
function labelProblem({ data, width }: Held, { loss, classes, ignored }: TensorTask): string | null {
  for (const [i, value] of data.entries()) {
    if (value === ignored) continue;
    const why =
      loss !== 'cross-entropy'
        ? valueProblem(loss, value)
        : value < 0 || (classes !== null && value >= classes)
          ? `the label ${value} is not a class${classes === null ? '' : ` of the model, which has ${classes}`}`
          : null;
    if (why !== null) return `row ${Math.floor(i / width)} (counted from 0): ${why}`;
  }
  return null;
}

/** Rows beyond those asked for repeat the first one, or are filled with a number. */
function rowsOf(tensor: Held, indices: ArrayLike<number>, filled: number, fill: number | null): Column {
  const { width, data, shape } = tensor;
  const out = new (data instanceof Float32Array ? Float32Array : Int32Array)(filled * width);
  for (let row = 0; row < filled; row++) {
    const index = row < indices.length ? indices[row]! : fill === null ? indices[0]! : -1;
    if (index < 0) out.fill(fill!, row * width, (row + 1) * width);
    else out.set(data.subarray(index * width, (index + 1) * width), row * width);
  }
  return { shape: [filled, ...shape.slice(1)], data: out };
}
