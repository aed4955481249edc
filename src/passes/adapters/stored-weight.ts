import { attrTensor } from '../../ir/attr.js';
import { constantData } from '../../ir/constants.js';
import { isFloat } from '../../ir/dtype.js';
import type { Model, Node, Value } from '../../ir/model.js';
import { weightStep } from '../../ir/ops/index.js';
import { tensorType } from '../../ir/shape.js';
import type { TensorData } from '../../ir/tensor.js';
import { toF64 } from '../../ir/values.js';
import { swapsMatrix } from '../sites/origins.js';

/** Where a weight that a node reads is stored, and what lies between. */
export interface StoredWeight {
  readonly data: TensorData;
  /** the initializer, or the Constant node's output */
  readonly holder: Value;
  /** nodes from the storage to the reader, each a step of a weight (`weightStep`) */
  readonly via: readonly Node[];
  /** an odd number of Transposes lies between: the stored matrix is the transpose of the one that is read */
  readonly transposed: boolean;
}

/**
 * Follows the steps of a weight, a transposition of two axes among them, back to the stored matrix (of a quantised weight, its
 * integers); null when the weight is computed.
 */
export function storedWeight(weight: Value): StoredWeight | null {
  const via: Node[] = [];
  let transposed = false;
  let value: Value = weight;
  for (let steps = 0; steps < 64; steps++) {
    const data = constantData(value);
    if (data) return { data, holder: value, via, transposed };
    const node: Node | null = value.producer;
    const source: Value | null | undefined = node?.inputs[0];
    const step = node && weightStep(node);
    if (!node || !source || !step) return null;
    if (step === 'transpose') {
      const swaps = swapsMatrix(node);
      if (swaps === null) return null;
      transposed = transposed !== swaps;
    }
    via.unshift(node);
    value = source;
  }
  return null;
}

/**
 * Adds an initializer to the main graph under a name that is free. Before IR version 4 every initializer must also be
 * an input, so there it becomes one.
 */
export function addStored(model: Model, name: string, data: TensorData): Value {
  const value = model.graph.addInitializer(name, data);
  if (model.irVersion < 4) model.graph.exposeInitializer(value, tensorType(data.dtype, data.shape), data);
  return value;
}

/** Puts other data of the same type and shape into an initializer or a Constant node. */
export function replaceStored(value: Value, data: TensorData): void {
  if (value.constant) value.setConstant(data);
  else value.producer!.setAttr('value', attrTensor(data));
}

/** Whether a caller may replace the data. Before IR version 4 initializers are inputs and yet constant. */
export function isOverridable(model: Model, value: Value): boolean {
  return value.isInput && model.irVersion >= 4;
}

/** The number that a stored float of one element holds; null for anything else. */
export function storedNumber(model: Model, value: Value): number | null {
  const data = constantData(value);
  const one = data && isFloat(data.dtype) && data.shape.every((extent) => extent === 1);
  return one && !isOverridable(model, value) ? toF64(data)[0]! : null;
}

/** Removes a stored value that nothing reads, unless a caller may feed it. */
export function dropStored(model: Model, value: Value): void {
  if (!value.constant || !value.graph || value.uses.size > 0 || value.isOutput) return;
  if (isOverridable(model, value)) return;
  if (value.isInput) value.graph.removeInput(value);
  value.graph.removeInitializer(value);
}

/**
 * Raises the IR version to at least `version`. Crossing 4 would let callers replace initializers that were constant:
 * those stop being inputs.
 */
export function requireIrVersion(model: Model, version: number): void {
  if (model.irVersion >= version) return;
  if (model.irVersion < 4 && version >= 4) {
    for (const input of [...model.graph.inputs]) if (input.constant) model.graph.concealInput(input);
  }
  model.setIrVersion(version);
}
