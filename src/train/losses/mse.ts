import type { Value } from '../../ir/model.js';
import type { TrainBuilder } from './builder.js';
import type { Loss } from './define.js';
import { defineNumberLoss } from './numbers.js';
import { asF32, counted } from './parts.js';

export const mse = defineNumberLoss({
  kind: 'mse',
  doc: 'mean squared error (torch.nn.functional.mse_loss)',
  takes: {
    output: 'any',
    labels: 'f32, the shape of the output; the largest float32 (`loss.ignoreValue`) does not count',
  },
  numbers: {},
  build: (b, { output, labels }) => meanSquaredError(b, output, labels!),
});

/** Mean squared error over the targets that count (see `counted`); `target` f32 of the shape of the predictions. */
function meanSquaredError(b: TrainBuilder, prediction: Value, target: Value): Loss {
  const at = asF32(b, prediction);
  const { ignored, count, divisor } = counted(b, target);
  const difference = b.one('Where', [ignored, b.f32(0), b.one('Sub', [at, target])]);
  const loss = b.one('Div', [b.sumAll(b.one('Mul', [difference, difference])), divisor]);
  const gradient = (scale: Value | null): Value =>
    b.one('Mul', [difference, b.one('Div', [twice(b, scale), divisor])]);
  return { loss, count, at, gradient };
}

function twice(b: TrainBuilder, scale: Value | null): Value {
  return scale ? b.one('Mul', [scale, b.f32(2)]) : b.f32(2);
}
