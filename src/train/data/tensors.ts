import type { ByteSource } from '../../ir/carried.js';
import { badData } from '../../ir/codes/train.js';
import { fail } from '../../ir/diagnostics.js';
import { byteLengthOf, isFloat } from '../../ir/dtype.js';
import { readSafetensorsFrom } from '../../ir/files/safetensors-format.js';
import { MemoryTensor, type TensorData } from '../../ir/tensor.js';
import { toF64, toIntegers } from '../../ir/values.js';
import { type LossKind, lossFacts } from '../losses/facts.js';
import type { Column, DataBatch, Dataset } from './dataset.js';
import { valueProblem } from './labels.js';
import { sidesOf } from './pairs.js';
import { paced } from './source.js';
import { requireElements } from './token-columns.js';

interface Held extends Column {
  /** elements of one row */
  readonly width: number;
}

export interface TensorTask {
  /** name of the label input; null: the loss takes no labels */
  readonly label: string | null;
  readonly loss: LossKind;
  /** labels are numbers, not classes */
  readonly values: boolean;
  /** classes of the model, where they are fixed */
  readonly classes: number | null;
  /** CTC: the class that is not a label */
  readonly blank?: number | undefined;
  /** value of labels that do not count */
  readonly ignored: number;
}

/**
 * Ready tensors from a safetensors file: one tensor per input of the model and one with the labels (named as the label
 * input, or `labels`), each with one row per example; of pairs the inputs have the left sides and then the right ones. Throws
 * LOTR8204, also for labels that are not classes of the model or not in the range of the loss, LOTR1006, and those of
 * `readSafetensors`.
 */
export async function tensorDataset(source: ByteSource, task: TensorTask): Promise<Dataset> {
  const { label, loss, ignored, values } = task;
  const { pairs } = lossFacts(loss);
  const file = source.path;
  const { tensors } = readSafetensorsFrom(source);
  const refuse = (why: string): never => fail(badData({ file, why }));
  const names = label === null ? [] : [label, 'labels'];
  const chosen = names.find((name) => tensors.has(name)) ?? null;
  if (label !== null && chosen === null) return refuse(`it has no tensor "${label}"`);
  const held = new Map<string, Held>();
  let found: Held | null = null;
  let size: number | null = null;
  for (const [name, tensor] of tensors) {
    const [rows] = tensor.shape;
    if (rows === undefined) return refuse(`tensor "${name}" has no dimension for examples`);
    // a pair has two rows and one label
    const examples = pairs && name !== chosen ? rows / 2 : rows;
    if (!Number.isInteger(examples)) return refuse(`tensor "${name}" has ${rows} rows, which are not pairs`);
    if (size !== null && examples !== size)
      return refuse(
        pairs
          ? `tensor "${name}" has ${rows} rows: pairs want two rows and one label each`
          : `tensor "${name}" has ${rows} rows, and others have ${size}`,
      );
    size = examples;
    const data = await numbersOf(tensor, (why) => refuse(`tensor "${name}" ${why}`));
    const made = { shape: tensor.shape, data, width: data.length / Math.max(1, rows) };
    if (name === chosen) found = made;
    else held.set(name, made);
  }
  source.checkUnchanged?.();
  if (!size) return refuse('it has no examples');
  if (found && !values && found.data instanceof Float32Array) return refuse('its labels are not integers');
  const why = found && labelProblem(found, task);
  if (why) return fail(badData({ file, why, hint: LABELS }));
  const labels = found && values ? { ...found, data: Float32Array.from(found.data) } : found;
  const count = size;
  const batch = (indices: ArrayLike<number>, filled = indices.length): DataBatch => {
    const rows = pairs ? sidesOf(indices, filled, count) : indices;
    const height = pairs ? 2 * filled : filled;
    return {
      columns: new Map([...held].map(([name, tensor]) => [name, rowsOf(tensor, rows, height, null)])),
      labels: labels ? rowsOf(labels, indices, filled, ignored) : NO_LABELS,
      examples: indices.length,
      tokens: null,
    };
  };
  return { size, unit: 'example', columns: [...held.keys()], batch };
}

/** Bytes that are read at once, a multiple of the bytes of every element. */
const STRETCH = 1 << 20;

/** The elements as batches take them. */
async function numbersOf(
  tensor: TensorData,
  refuse: (why: string) => never,
): Promise<Float32Array | Int32Array> {
  const { dtype, shape, byteLength } = tensor;
  const width = byteLengthOf(dtype, 1);
  const integers = /^[iu](8|16|32|64)$|^bool$/.test(dtype);
  if (width === null || (!isFloat(dtype) && !integers)) return refuse(`is ${dtype}, not numbers`);
  const count = shape.reduce((a, b) => a * b, 1);
  const data = new (isFloat(dtype) ? Float32Array : Int32Array)(count);
  const starts = function* () {
    for (let at = 0; at < byteLength; at += STRETCH) yield at;
  };
  for await (const at of paced(starts())) {
    const bytes = tensor.slice(at, Math.min(STRETCH, byteLength - at));
    const part = new MemoryTensor(dtype, [bytes.length / width], bytes);
    const numbers = isFloat(dtype) ? toF64(part) : toIntegers(part);
    const odd = isFloat(dtype) ? undefined : numbers.find((number) => number !== (number | 0));
    if (odd !== undefined) return refuse(`has the number ${odd}, beyond 32 bits`);
    data.set(numbers, at / width);
  }
  return data;
}

const NO_LABELS: Column = { shape: [0], data: new Int32Array(0) };

const LABELS = 'correct the labels; those that are not to count have the value of --ignore-index (-100)';

/** The first label that cannot be used, with its row; null when all can. */
function labelProblem(
  { data, width }: Held,
  { loss, classes, ignored, values, blank }: TensorTask,
): string | null {
  for (const [i, value] of data.entries()) {
    if (value === ignored) continue;
    if (value === blank)
      return `row ${Math.floor(i / width)} (counted from 0): the label ${value} is the blank`;
    const why = values
      ? valueProblem(loss, value)
      : value < 0 || (classes !== null && value >= classes)
        ? `the label ${value} is not a class${classes === null ? '' : ` of the model, which has ${classes}`}`
        : null;
    if (why !== null) return `row ${Math.floor(i / width)} (counted from 0): ${why}`;
  }
  return null;
}

/** Rows beyond those requested repeat the first one, or are filled with a number. */
function rowsOf(tensor: Held, indices: ArrayLike<number>, filled: number, fill: number | null): Column {
  requireElements(filled, tensor.width);
  const { width, data, shape } = tensor;
  const out = new (data instanceof Float32Array ? Float32Array : Int32Array)(filled * width);
  for (let row = 0; row < filled; row++) {
    const index = row < indices.length ? indices[row]! : fill === null ? indices[0]! : -1;
    if (index < 0) out.fill(fill!, row * width, (row + 1) * width);
    else out.set(data.subarray(index * width, (index + 1) * width), row * width);
  }
  return { shape: [filled, ...shape.slice(1)], data: out };
}
