import type { Value } from '../../ir/model.js';
import type { TrainBuilder } from './builder.js';
import type { Loss } from './define.js';
import { defineNumberLoss } from './numbers.js';
import { asF32, counted } from './parts.js';

export const bce = defineNumberLoss({
  kind: 'bce',
  doc: 'mean binary cross-entropy of logits and numbers from 0 to 1 (torch.nn.functional.binary_cross_entropy_with_logits)',
  takes: {
    output: 'logits, any shape',
    labels:
      'f32 from 0 to 1, the shape of the output; the largest float32 (`loss.ignoreValue`) does not count',
  },
  labelProblem: (value) => (value >= 0 && value <= 1 ? null : `the label ${value} is not between 0 and 1`),
  numbers: {},
  build: (b, { output, labels }) => binaryCrossEntropy(b, output, labels!),
});

/**
 * Mean binary cross-entropy on logits (torch.nn.functional.binary_cross_entropy_with_logits) over the targets that count
 * (see `counted`); `target` f32 of the same shape with values in [0, 1]. Uses max(z, 0) - z y + log(1 + exp(-|z|)), which
 * overflows for no z.
 */
function binaryCrossEntropy(b: TrainBuilder, logits: Value, target: Value): Loss {
  const at = asF32(b, logits);
  const { ignored, count, divisor } = counted(b, target);
  const tail = b.one('Log', [b.one('Add', [b.one('Exp', [b.one('Neg', [b.one('Abs', [at])])]), b.f32(1)])]);
  const perItem = b.one('Add', [
    b.one('Sub', [b.one('Max', [at, b.f32(0)]), b.one('Mul', [at, target])]),
    tail,
  ]);
  const loss = b.one('Div', [b.sumAll(b.one('Where', [ignored, b.f32(0), perItem])), divisor]);
  const gradient = (scale: Value | null): Value => {
    const slope = b.one('Where', [ignored, b.f32(0), b.one('Sub', [b.one('Sigmoid', [at]), target])]);
    return b.one('Mul', [slope, b.one('Div', [scale ?? b.f32(1), divisor])]);
  };
  return { loss, count, at, gradient };
}
