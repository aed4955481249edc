import { attrInt } from '../../ir/attr.js';
import type { Value } from '../../ir/model.js';
import { shapeOf, tensorType } from '../../ir/shape.js';
import type { TrainBuilder } from './builder.js';
import { defineLoss, type Loss } from './define.js';
import { numberSignature } from './numbers.js';
import { asF32, countedRows, rowsOf, softmaxParts } from './parts.js';

const temperature = {
  temperature: {
    default: 1,
    above: 0,
    doc: 'logits of both sides are divided by it, the loss is times its square',
  },
} as const;

const problem = (output: Value): string | null => {
  const shape = shapeOf(output);
  if (!shape) return 'its rank is unknown';
  return shape.length < 2 ? `kl needs at least 2 axes, it has ${shape.length}` : null;
};

export const kl = defineLoss({
  kind: 'kl',
  doc: 'distillation: mean over positions of KL(teacher || model) of the softmax of logits (torch.nn.functional.kl_div, reduction batchmean)',
  takes: {
    output: 'logits, at least 2 axes',
    labels:
      "f32, the shape of the output: the teacher's logits; a position whose first number is the largest float32 (`loss.ignoreValue`) does not count",
  },
  reads: ['--labels'],
  numbers: temperature,
  problem,
  labelType: (shape) => tensorType('f32', shape),
  signature: () => numberSignature,
  build: (b, { output, labels, numbers }) => {
    const { ignored, count, divisor } = countedRows(b, labels!);
    return divergence(b, output, labels!, { ...numbers, ignored, count, divisor });
  },
});

/** No float32 is below it. */
const LOWEST = -3.4028234663852886e38;

export const klBase = defineLoss({
  kind: 'kl-base',
  doc: 'distillation from the base: as `kl`, with the logits of the model without its adapters; the mean over positions, or over those where the mask is 1',
  takes: { output: 'logits, at least 2 axes', labels: 'none' },
  reads: ['--mask'],
  numbers: temperature,
  problem,
  labelType: () => null,
  signature: () => ({}),
  build: (b, { output, teacher, mask, numbers }) => {
    const theirs = asF32(b, teacher!);
    // without a mask none, also no NaN
    const ignored = mask
      ? b.one('Not', [b.unsqueeze(b.one('Cast', [mask], { to: attrInt(9) }), -1)])
      : b.one('Less', [b.reduce('ReduceMax', theirs, -1, true), b.f32(LOWEST)]);
    const positions = b.sumAll(b.one('Cast', [b.one('Not', [ignored])], { to: attrInt(1) }));
    const divisor = b.one('Max', [positions, b.f32(1)]);
    return divergence(b, output, theirs, { ...numbers, ignored, count: rowsOf(b, output.graph!), divisor });
  },
});

interface KlOptions {
  readonly temperature: number;
  /** bool [..., 1]: which positions do not count */
  readonly ignored: Value;
  readonly count: Value;
  readonly divisor: Value;
}

/** T^2 mean of sum_c t_c (log t_c - log s_c), t and s the softmax of teacher and model at temperature T. */
function divergence(
  b: TrainBuilder,
  logits: Value,
  teacher: Value,
  { temperature: t, ignored, count, divisor }: KlOptions,
): Loss {
  const at = asF32(b, logits);
  const cooled = (x: Value): Value => (t === 1 ? x : b.one('Div', [x, b.f32(t)]));
  // what does not count may be any number: it must not overflow
  const given = b.one('Where', [ignored, b.f32(0), teacher]);
  const [own, theirs] = [softmaxParts(b, cooled(at)), softmaxParts(b, cooled(given))];
  const target = b.one('Div', [theirs.exp, theirs.sum]);
  const logs = ({ shifted, logSum }: typeof own): Value => b.one('Sub', [shifted, logSum]);
  const gap = b.one('Mul', [target, b.one('Sub', [logs(theirs), logs(own)])]);
  const perPosition = b.one('Where', [ignored, b.f32(0), b.reduce('ReduceSum', gap, -1, true)]);
  const mean = b.one('Div', [b.sumAll(perPosition), divisor]);
  const loss = t === 1 ? mean : b.one('Mul', [mean, b.f32(t * t)]);
  const gradient = (scale: Value | null): Value => {
    const slope = b.one('Sub', [b.one('Div', [own.exp, own.sum]), target]);
    const factor = b.one('Div', [scale ? b.one('Mul', [scale, b.f32(t)]) : b.f32(t), divisor]);
    return b.one('Where', [ignored, b.f32(0), b.one('Mul', [slope, factor])], {}, 'loss/gradient');
  };
  return { loss, count, at, gradient };
}
