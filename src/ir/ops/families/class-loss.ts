import type { NdArray } from '../define.js';
import { sizeOf } from '../nd.js';

export interface ClassLoss {
  readonly reduction: string;
  readonly ignore_index?: number;
}

/**
 * The part that both losses on classes share: of log-probabilities [N, C, d1, ...] and labels [N, d1, ...], with one weight
 * for each class or none, -w_y log p_y for every label, its mean over the summed weights, or its sum. Labels of
 * `ignore_index` have the loss 0 and the weight 0.
 */
export function classLoss(
  logp: NdArray,
  labels: NdArray,
  weights: NdArray | null,
  { reduction, ignore_index: ignored }: ClassLoss,
): NdArray {
  const [, classes = 1, ...rest] = logp.shape;
  const inner = sizeOf(rest);
  let [sum, divisor] = [0, 0];
  const each = labels.data.map((label, i) => {
    if (label === ignored) return 0;
    const weight = weights?.data[label] ?? 1;
    const row = Math.floor(i / inner);
    const loss = -weight * logp.data[(row * classes + label) * inner + (i % inner)]!;
    divisor += weight;
    sum += loss;
    return loss;
  });
  if (reduction === 'none') return { shape: labels.shape, data: each };
  return { shape: [], data: Float64Array.of(reduction === 'mean' ? sum / divisor : sum) };
}

/** Log-probabilities of scores [N, C, d1, ...] over the axis of the classes. */
export function logProbabilities({ shape, data }: NdArray): NdArray {
  const [rows = 1, classes = 1, ...rest] = shape;
  const inner = sizeOf(rest);
  const out = new Float64Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let place = 0; place < inner; place++) {
      const at = (k: number) => (row * classes + k) * inner + place;
      const scores = Array.from({ length: classes }, (_, k) => data[at(k)]!);
      const top = Math.max(...scores);
      const log = top + Math.log(scores.reduce((a, x) => a + Math.exp(x - top), 0));
      for (const [k, score] of scores.entries()) out[at(k)] = score - log;
    }
  }
  return { shape, data: out };
}
