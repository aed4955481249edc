import type { Value } from '../../model.js';
import type { GradBuilder } from '../define.js';
import { keepWhere } from './elementwise.js';
import { gemmVjp } from './matmul.js';
import { attributes, type Vjp } from './vjp.js';

type Slope = (b: GradBuilder, dy: Value, y: Value, alpha: number) => Value;

/** Gradients of activations f by y = f(z) alone, since z is never delivered. */
const SLOPES: Readonly<Record<string, Slope>> = {
  '': (_b, dy) => dy,
  Elu: (b, dy, y, alpha) => below(b, dy, y, b.add(y, b.scalar(alpha, y))),
  // 0 < y < 1 is where neither bound holds
  HardSigmoid: (b, dy, y, alpha) => {
    const inside = b.one('And', [b.one('Greater', [y, b.scalar(0, y)]), b.one('Less', [y, b.scalar(1, y)])]);
    return keepWhere(b, inside, b.mul(dy, b.scalar(alpha, y)), y);
  },
  LeakyRelu: (b, dy, y, alpha) => below(b, dy, y, b.scalar(alpha, y)),
  Relu: (b, dy, y) => keepWhere(b, b.one('Greater', [y, b.scalar(0, y)]), dy, y),
  Sigmoid: (b, dy, y) => b.mul(dy, b.mul(y, b.sub(b.scalar(1, y), y))),
  // y = log(1 + e^z): the slope is 1 - e^-y
  Softplus: (b, dy, y) => b.mul(dy, b.sub(b.scalar(1, y), b.one('Exp', [b.neg(y)]))),
  // |y| = |z| / (1 + |z|): the slope is (1 - |y|)^2
  Softsign: (b, dy, y) => {
    const rest = b.sub(b.scalar(1, y), b.one('Abs', [y]));
    return b.mul(dy, b.mul(rest, rest));
  },
  Tanh: (b, dy, y) => b.mul(dy, b.sub(b.scalar(1, y), b.mul(y, y))),
};

/** dy where y > 0, elsewhere dy times `slope`. */
function below(b: GradBuilder, dy: Value, y: Value, slope: Value): Value {
  return b.one('Where', [b.one('Greater', [y, b.scalar(0, y)]), dy, b.mul(dy, slope)]);
}

/** com.microsoft FusedGemm: y = f(alpha op(A) op(B) + beta C), with f and its parameters by name. */
export const fusedGemmVjp: Vjp = (b, node, [dy]) => {
  const { activation = '', activation_alpha = 0.01 } = attributes(node, 'com.microsoft::FusedGemm');
  const slope = Object.hasOwn(SLOPES, activation) ? SLOPES[activation] : undefined;
  if (!slope) return { because: `its activation ${activation} has no gradient rule`, at: node };
  if (activation_alpha < 0 && (activation === 'LeakyRelu' || activation === 'Elu'))
    return { because: `its activation ${activation} with a negative alpha is not monotone`, at: node };
  return gemmVjp(b, node, [slope(b, dy!, node.outputs[0]!, activation_alpha)]);
};
