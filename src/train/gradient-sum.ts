import type { OrtFeeds, OrtTensor } from '../backends/ort/tensor.js';
import { bare } from '../ir/keys.js';
import type { GraphSignature, TensorRole } from './signature.js';

/** Results of grad.onnx over several batches, added up. */
export class GradientSum {
  readonly #sums = new Map<string, Float64Array>();
  readonly #mean: boolean;
  #loss = 0;
  #weight = 0;

  /** `mean`: losses are means over the labels that count, so batches weigh as many as they have; else they are sums. */
  constructor(mean: boolean) {
    this.#mean = mean;
  }

  add({ outputs }: GraphSignature, results: OrtFeeds): void {
    const number = (role: TensorRole) =>
      Number(results[outputs.find((port) => port.role === role)!.name]!.data[0]);
    const weight = this.#mean ? number('count') : 1;
    this.#weight += weight;
    // a batch in which no label counts has a gradient of zeros, which stays so when an element is not finite
    if (weight === 0) return;
    this.#loss += weight * number('loss');
    for (const { name, role, param } of outputs) {
      if (role !== 'grad') continue;
      const values = results[name]!.data as Float32Array;
      const sum = this.#sums.get(param!) ?? new Float64Array(values.length);
      for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + weight * values[i]!;
      this.#sums.set(param!, sum);
    }
  }

  loss(): number {
    return this.#loss / this.#divisor();
  }

  /** The gradients as inputs of apply.onnx, rounded once. */
  total({ inputs }: GraphSignature): OrtFeeds {
    const feeds = bare<OrtTensor>();
    for (const { name, role, param, shape } of inputs) {
      if (role !== 'grad') continue;
      const dims = shape as readonly number[];
      const sum = this.#sums.get(param!) ?? new Float64Array(dims.reduce((a, b) => a * b, 1));
      feeds[name] = {
        type: 'float32',
        dims,
        data: Float32Array.from(sum, (value) => value / this.#divisor()),
      };
    }
    return feeds;
  }

  #divisor(): number {
    return this.#mean ? Math.max(1, this.#weight) : 1;
  }
}
