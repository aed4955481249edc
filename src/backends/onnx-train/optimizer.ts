import type { Value } from '../../ir/model.js';
import type { TrainBuilder } from './builder.js';

export interface AdamW {
  readonly kind: 'adamw';
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}
export interface Sgd {
  readonly kind: 'sgd';
  readonly momentum: number;
  readonly weightDecay: number;
}
export type Optimizer = AdamW | Sgd;

/** PyTorch's defaults, but no weight decay: factors are small, and the low rank already regularises. */
export const ADAMW: AdamW = { kind: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
export const SGD: Sgd = { kind: 'sgd', momentum: 0.9, weightDecay: 0 };

/** Names of an optimizer's state tensors per parameter. */
export function slotsOf(optimizer: Optimizer): readonly string[] {
  return optimizer.kind === 'adamw' ? ['m', 'v'] : ['u'];
}

/** Names of the scalars that the host gives with each step, in addition to `lr`. */
export function scalarsOf(optimizer: Optimizer): readonly ('bc1' | 'bc2')[] {
  return optimizer.kind === 'adamw' ? ['bc1', 'bc2'] : [];
}

/** Constants of the optimizer as `signature.json` lists them. */
export function constantsOf(optimizer: Optimizer): Readonly<Record<string, number>> {
  const { kind: _kind, ...constants } = optimizer;
  return constants;
}

export interface Trained {
  readonly param: Value;
  readonly grad: Value;
  readonly slots: readonly Value[];
  readonly lrMultiplier: number;
}

export interface Updated {
  readonly param: Value;
  readonly slots: readonly Value[];
}

export interface Guard {
  /** global norm of all gradients before clipping, f32 rank 0 */
  readonly norm: Value;
  /** bool rank 0: every gradient element is finite */
  readonly finite: Value;
  /** factor that clips to the maximal norm, or null when there is none */
  readonly clip: Value | null;
}

/** Largest finite float32: a sum of squares at or above it is infinite or NaN. */
const F32_MAX = 3.4028234663852886e38;

/**
 * The global gradient norm and whether it is finite. Written without IsNaN and IsInf, which not every provider has:
 * a comparison with NaN is false. Clipping as torch.nn.utils.clip_grad_norm_: factor min(1, max / (norm + 1e-6)).
 */
export function guard(b: TrainBuilder, grads: readonly Value[], maxNorm: number | null): Guard {
  const squares = grads.map((grad) => b.sumSquares(grad));
  const sum = squares.reduce((a, next) => b.one('Add', [a, next]));
  const finite = b.one('Less', [sum, b.f32(F32_MAX)], {}, 'finite');
  const norm = b.one('Sqrt', [sum], {}, 'grad_norm');
  const clip =
    maxNorm === null
      ? null
      : b.one('Min', [b.f32(1), b.one('Div', [b.f32(maxNorm), b.one('Add', [norm, b.f32(1e-6)])])]);
  return { norm, finite, clip };
}

/**
 * One optimizer step for one parameter, in float32:
 * AdamW (arXiv 1711.05101, as torch.optim.AdamW): m' = b1 m + (1-b1) g; v' = b2 v + (1-b2) g^2;
 *   p' = p (1 - lr wd) - lr (m'/bc1) / (sqrt(v'/bc2) + eps), with bc1 = 1 - b1^t, bc2 = 1 - b2^t from the host;
 * SGD with momentum (torch.optim.SGD, dampening 0): g = g + wd p; u' = mu u + g; p' = p - lr u'.
 * When `finite` is false everything keeps its old value (Where selects, so NaN does not leak).
 */
export function update(
  b: TrainBuilder,
  optimizer: Optimizer,
  scalars: { readonly lr: Value; readonly bc1?: Value; readonly bc2?: Value },
  guarded: Guard,
  trained: Trained,
  names: { readonly param: string; readonly slots: readonly string[] },
): Updated {
  const { param, slots } = trained;
  let g = guarded.clip ? b.one('Mul', [trained.grad, guarded.clip]) : trained.grad;
  const lr =
    trained.lrMultiplier === 1 ? scalars.lr : b.one('Mul', [scalars.lr, b.f32(trained.lrMultiplier)]);
  let next: Value;
  let nextSlots: Value[];
  if (optimizer.kind === 'adamw') {
    const { beta1, beta2, epsilon, weightDecay } = optimizer;
    const [m, v] = [slots[0]!, slots[1]!];
    const m1 = b.one('Add', [b.one('Mul', [m, b.f32(beta1)]), b.one('Mul', [g, b.f32(1 - beta1)])]);
    const square = b.one('Mul', [b.one('Mul', [g, g]), b.f32(1 - beta2)]);
    const v1 = b.one('Add', [b.one('Mul', [v, b.f32(beta2)]), square]);
    const root = b.one('Sqrt', [b.one('Div', [v1, scalars.bc2!])]);
    const direction = b.one('Div', [b.one('Div', [m1, scalars.bc1!]), b.one('Add', [root, b.f32(epsilon)])]);
    const decayed =
      weightDecay === 0
        ? param
        : b.one('Mul', [param, b.one('Sub', [b.f32(1), b.one('Mul', [lr, b.f32(weightDecay)])])]);
    next = b.one('Sub', [decayed, b.one('Mul', [direction, lr])]);
    nextSlots = [m1, v1];
  } else {
    const { momentum, weightDecay } = optimizer;
    if (weightDecay !== 0) g = b.one('Add', [g, b.one('Mul', [param, b.f32(weightDecay)])]);
    const u1 = b.one('Add', [b.one('Mul', [slots[0]!, b.f32(momentum)]), g]);
    next = b.one('Sub', [param, b.one('Mul', [u1, lr])]);
    nextSlots = [u1];
  }
  const keep = (fresh: Value, old: Value, name: string): Value =>
    b.one('Where', [guarded.finite, fresh, old], {}, name);
  return {
    param: keep(next, param, names.param),
    slots: nextSlots.map((fresh, i) => keep(fresh, slots[i]!, names.slots[i]!)),
  };
}
