import { f32Tensor, type TensorData } from '../ir/tensor.js';
import { toF32 } from '../ir/values.js';
import type { HeldTensors } from './runner/runner.js';
import { TrainingSteps } from './training-steps.js';

/** Steps whose parameters and state are tensors as files have them. */
export class SavedRun extends TrainingSteps {
  /** Takes parameters and state from tensors under the names of `state.safetensors`. */
  load(tensors: ReadonlyMap<string, TensorData>): void {
    this.hold(heldOf(tensors));
  }

  /** Parameters and optimizer state under the names of `state.safetensors`. */
  async save(): Promise<Map<string, TensorData>> {
    return tensorsOf(await this.held(null));
  }

  /** The trained factors and weights alone: what an adapter file holds. */
  async parameters(): Promise<Map<string, TensorData>> {
    return tensorsOf(await this.held(this.parameterNames));
  }
}

/** Tensors as plain numbers. */
export function heldOf(tensors: ReadonlyMap<string, TensorData>): HeldTensors {
  return new Map([...tensors].map(([name, tensor]) => [name, { dims: tensor.shape, data: toF32(tensor) }]));
}

function tensorsOf(held: HeldTensors): Map<string, TensorData> {
  return new Map([...held].map(([name, { dims, data }]) => [name, f32Tensor(dims, data)]));
}
