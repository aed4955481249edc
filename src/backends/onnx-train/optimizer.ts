import { attrInt, attrInts } from '../../ir/attr.js';
import type { Value } from '../../ir/model.js';
import { shapeOf } from '../../ir/shape.js';
import type { TrainBuilder } from '../../train/losses/builder.js';
import type { Matrices } from '../../train/optimizers/define.js';
import { type Correction, hyperOf, type Optimizer, optimizerDef } from '../../train/optimizers/index.js';

export interface UpdatedParam {
  readonly param: Value;
  readonly grad: Value;
  readonly slots: readonly Value[];
  readonly lrMultiplier: number;
  /** in place of that of the optimizer */
  readonly weightDecay?: number | undefined;
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

/** A value of the graph, or a number that is known when the graph is made. */
type Operand = Value | number;

/** Updates as nodes. Numbers are folded in double, and become float32 constants where they meet a value. */
function nodes(b: TrainBuilder): Matrices<Operand> {
  const value = (x: Operand): Value => (typeof x === 'number' ? b.f32(x) : x);
  const node = (op: string, fold: (a: number, c: number) => number) => (a: Operand, c: Operand) =>
    typeof a === 'number' && typeof c === 'number' ? fold(a, c) : b.one(op, [value(a), value(c)]);
  const [add, sub, mul] = [
    node('Add', (a, c) => a + c),
    node('Sub', (a, c) => a - c),
    node('Mul', (a, c) => a * c),
  ];
  return {
    number: (x) => x,
    named: (_, x) => x,
    add: (a, c) => (c === 0 ? a : add(a, c)),
    sub: (a, c) => (c === 0 ? a : sub(a, c)),
    mul: (a, c) => (a === 0 || c === 0 ? 0 : c === 1 ? a : mul(a, c)),
    div: node('Div', (a, c) => a / c),
    max: node('Max', Math.max),
    sqrt: (a) => (typeof a === 'number' ? Math.sqrt(a) : b.one('Sqrt', [a])),
    // of comparisons, which every provider has; 0 for NaN
    sign: (a) => {
      const holds = (op: string) => b.one('Cast', [b.one(op, [value(a), b.f32(0)])], { to: attrInt(1) });
      return typeof a === 'number' ? Math.sign(a) : b.one('Sub', [holds('Greater'), holds('Less')]);
    },
    product: (a, c) => b.one('MatMul', [value(a), value(c)]),
    transpose: (a) => b.one('Transpose', [value(a)], { perm: attrInts([1, 0]) }),
    norm: (a) => b.one('Sqrt', [b.sumSquares(value(a))]),
  };
}

/**
 * One optimizer step for one parameter, in float32, as the optimizer's declaration has it. When `finite` is false
 * everything keeps its old value (Where selects, so NaN does not leak).
 */
export function update(
  b: TrainBuilder,
  optimizer: Optimizer,
  scalars: Readonly<Partial<Record<'lr' | Correction, Value>>>,
  guarded: Guard,
  trained: UpdatedParam,
  names: { readonly param: string; readonly slots: readonly string[] },
): Updated {
  const { param, slots, lrMultiplier, weightDecay } = trained;
  const def = optimizerDef(optimizer.kind);
  const grad = guarded.clip ? b.one('Mul', [trained.grad, guarded.clip]) : trained.grad;
  const x = nodes(b);
  const given = {
    param,
    grad,
    lr: x.mul(scalars.lr!, lrMultiplier),
    hyper: { ...hyperOf(optimizer), ...(weightDecay === undefined ? {} : { weightDecay }) },
    slots: Object.fromEntries(def.slots.map((slot, i) => [slot, slots[i]!])),
    corrections: scalars as Readonly<Record<string, Value>>,
  };
  const next =
    def.arithmetic === 'matrices'
      ? def.update<Operand>(x, given, shapeOf(param) as [number, number])
      : def.update<Operand>(x, given);
  const keep = (fresh: Operand, old: Value, name: string): Value =>
    b.one('Where', [guarded.finite, fresh as Value, old], {}, name);
  return {
    param: keep(next.param, param, names.param),
    slots: def.slots.map((slot, i) => keep(next.slots[slot]!, slots[i]!, names.slots[i]!)),
  };
}
