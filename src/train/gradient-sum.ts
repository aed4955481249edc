import type { OrtFeeds, OrtTensor } from '../backends/ort/tensor.js';
import { bare } from '../ir/keys.js';
import type { GraphSignature, Port, Signature, TensorRole } from './signature.js';

/** Loss and weight of some batches: what they add to the loss of a step, and by how much they count. */
export interface WeightedLoss {
  /** sum over the batches of weight times loss */
  readonly loss: number;
  /** where losses are means, the labels that count; else the number of batches */
  readonly weight: number;
}

/** Whether losses are means over the labels that count, so that batches weigh as many as they have; else they are sums. */
const isMean = (loss: Signature['loss']): boolean => loss.kind !== 'sum' && loss.reduction === 'mean';

/** What a sum over batches with that weight is divided by. */
const divisorOf = (loss: Signature['loss'], weight: number): number =>
  isMean(loss) ? Math.max(1, weight) : 1;

/** The loss over all batches. */
export function lossOf(loss: Signature['loss'], total: WeightedLoss): number {
  return total.loss / divisorOf(loss, total.weight);
}

/** Results of grad.onnx over several batches, added up in float64. */
export class GradientSum {
  /** the gradients one behind another, in the order in which apply.onnx takes them; whoever adds further batches changes it */
  readonly values: Float64Array;
  readonly #ports: readonly { readonly port: Port; readonly start: number; readonly length: number }[];
  readonly #kind: Signature['loss'];
  #loss = 0;
  #weight = 0;

  constructor(kind: Signature['loss'], apply: GraphSignature) {
    this.#kind = kind;
    let size = 0;
    this.#ports = apply.inputs
      .filter(({ role }) => role === 'grad')
      .map((port) => {
        const length = (port.shape as readonly number[]).reduce((a, b) => a * b, 1);
        const start = size;
        size += length;
        return { port, start, length };
      });
    this.values = new Float64Array(size);
  }

  add({ outputs }: GraphSignature, results: OrtFeeds): void {
    const number = (role: TensorRole) =>
      Number(results[outputs.find((port) => port.role === role)!.name]!.data[0]);
    const weight = isMean(this.#kind) ? number('count') : 1;
    this.#weight += weight;
    // a batch in which no label counts has a gradient of zeros, which stays so when an element is not finite
    if (weight === 0) return;
    this.#loss += weight * number('loss');
    for (const { name, role, param } of outputs) {
      if (role !== 'grad') continue;
      const values = results[name]!.data as Float32Array;
      const own = this.#ports.find(({ port }) => port.param === param);
      if (!own) continue;
      const sum = this.values.subarray(own.start, own.start + own.length);
      for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + weight * values[i]!;
    }
  }

  total(): WeightedLoss {
    return { loss: this.#loss, weight: this.#weight };
  }

  /** The gradients as inputs of apply.onnx, divided by the weight of all batches and rounded once. */
  feeds(weight: number): OrtFeeds {
    const divisor = divisorOf(this.#kind, weight);
    const feeds = bare<OrtTensor>();
    for (const { port, start, length } of this.#ports) {
      const sum = this.values.subarray(start, start + length);
      feeds[port.name] = {
        type: 'float32',
        dims: port.shape as readonly number[],
        data: Float32Array.from(sum, (value) => value / divisor),
      };
    }
    return feeds;
  }
}
