import { usualExtent } from '../../adapter/contraction.js';
import { derivativeBy } from '../../adapter/derivative.js';
import { deltaTerm, splitAtInput, type Term } from '../../adapter/terms.js';
import { emitTerm, type NodeMaker } from '../../adapter/to-onnx/weight-space.js';
import { type Attr, attrInt, attrInts } from '../../ir/attr.js';
import { GraphBuilder } from '../../ir/builder.js';
import { Graph, GraphFunction, type Value } from '../../ir/model.js';
import { i64Tensor } from '../../ir/tensor.js';
import { bodyMaker, FLOAT, INT, reference } from './function-body.js';

/** domain and name of the IR op that represents the gradients of an adapted layer */
export const GRADIENTS = 'lotrc::LoTRLinearGrad';

/** What the body of a gradient function depends on. */
export interface GradientForm {
  readonly delta: string;
  /** what the factors are called, in the order of the delta */
  readonly factors: readonly string[];
  /** which of dx, the gradients of the factors, db it has */
  readonly wanted: readonly boolean[];
  /** x, W and dy are not float32: the factors, which are, are cast to their type where they meet them */
  readonly half: boolean;
  readonly opset: number;
}

/**
 * The names of those outputs: dx, dR, dM, dL, db. A function is known by them, so no two choices have the same: the bias is
 * written out where a factor is called b, and factors are numbered where their names could be taken for others.
 */
export function gradientHints({
  factors,
  wanted,
}: Pick<GradientForm, 'factors' | 'wanted'>): readonly string[] {
  const bias = factors.includes('b') ? 'bias' : 'b';
  const all = ['x', ...factors, bias];
  const clear = new Set(all).size === all.length && factors.every((name) => /^[A-Za-z0-9]+$/.test(name));
  const names = clear ? all : ['x', ...factors.map((_, k) => `F${k + 1}`), 'b'];
  return names.map((name) => `d${name}`).filter((_, k) => wanted[k]);
}

/**
 * The function `lotrc::name(x, W, F1, ..., Fn, dy)` with those outputs that are wanted, of attributes `scale`, `alpha`, `beta`
 * and `transB` as `lotrc::LoTRLinearGrad` has them. Axes of x and dy before the last are flattened to rows. Where delta is a
 * matrix F times the rest G, dP = dy (scale G)^T, Z = scale (x F)^T dy, dx = alpha dy W' + dP F^T, dF = x^T dP, and the gradient
 * of a factor in G is the derivative of G by it, with Z as the gradient of G. Otherwise dx = alpha dy W' + dy (scale D)^T, and
 * the gradient of a factor is the derivative of D by it, with scale x^T dy as the gradient of D. db = beta times the sum of dy.
 */
export function defineGradient(name: string, form: GradientForm): GraphFunction {
  const graph = new Graph(name);
  const input = (hint: string): Value => graph.addInput(graph.names.freshValue(hint), null);
  const [x, w] = [input('x'), input('W')];
  const factors = form.factors.map(input);
  const dy = input('dy');
  const fn = new GraphFunction('lotrc', name, '', graph);
  fn.opsets.set('', form.opset);
  fn.attributes = ['scale', 'alpha', 'beta', 'transB'];
  const body = new Body(graph, form);
  const term = deltaTerm(form.delta);
  const split = splitAtInput(term);
  const inner = split ? split.rest : term;
  const others = split ? split.others : factors.map((_, k) => k);
  const values = others.map((k) => factors[k]!);
  const first = split ? factors[split.first]! : null;
  const wantsX = form.wanted[0]!;
  const wantsFirst = split !== null && form.wanted[1 + split.first]!;
  const wantsOthers = others.some((k) => form.wanted[1 + k]);
  const rows = body.rows(dy, 'dy_rows');
  const xRows = wantsFirst || wantsOthers ? body.rows(x, 'x_rows') : null;
  const made = new Map<number, Value>();
  // what dy is multiplied by on the way to x: dP F^T, or dy D^T
  const through = wantsX || wantsFirst ? body.through(inner, values, rows, first !== null) : null;
  if (wantsX) {
    const own = { alpha: reference('alpha', FLOAT), transB: reference('transB', INT) };
    const base = body.product(rows, w, own, 'base');
    const [left, right] = first ? [through!, body.like(first, dy)] : [rows, through!];
    const both = body.product(left, right, { transB }, 'dx_rows', base);
    graph.addOutput(body.build.one('Reshape', [both, body.build.one('Shape', [x], {}, 'x_shape')], {}, 'dx'));
  }
  if (first && wantsFirst) made.set(split!.first, body.sum(xRows!, through!, first, `d${first.name}`));
  if (wantsOthers) {
    const left = first ? body.build.one('MatMul', [xRows!, body.like(first, dy)], {}, 'P') : xRows!;
    const sum = body.sum(left, rows, factors[0]!, 'sum');
    const z = body.build.one(
      'Mul',
      [sum, body.number('scale')],
      {},
      values.length === 1 ? `d${values[0]!.name}` : 'Z',
    );
    for (const [at, k] of others.entries()) {
      if (form.wanted[1 + k]) made.set(k, body.derivative(inner, values, at, z));
    }
  }
  for (const k of factors.keys()) if (made.has(k)) graph.addOutput(made.get(k)!);
  if (form.wanted.at(-1)) {
    const sum = body.sumRows(rows);
    graph.addOutput(body.build.one('Mul', [sum, body.like(body.number('beta'), dy)], {}, 'db'));
  }
  return fn;
}

const transA = attrInt(1);
const transB = attrInt(1);

/** Makes the nodes of a body; a product of factors once. */
class Body {
  readonly build: GraphBuilder;
  readonly #make: NodeMaker;
  readonly #half: boolean;
  readonly #extent: (letter: string) => number;
  readonly #numbers = new Map<string, Value>();

  constructor(graph: Graph, { half, delta }: GradientForm) {
    this.build = new GraphBuilder(graph, { before: null, pass: 'to-functions' });
    this.#make = bodyMaker(this.build);
    this.#half = half;
    this.#extent = usualExtent(deltaTerm(delta));
  }

  /** [..., n] to [rows, n] */
  rows(value: Value, hint: string): Value {
    return this.build.one('Flatten', [value], { axis: attrInt(-1) }, hint);
  }

  product(a: Value, b: Value, attrs: Readonly<Record<string, Attr>>, hint: string, plus?: Value): Value {
    return this.build.one('Gemm', [a, b, ...(plus ? [plus] : [])], attrs, hint);
  }

  /** dP = dy (scale F2 F3 ...)^T, or scale D itself */
  through(inner: Term, values: readonly Value[], rows: Value, multiplied: boolean): Value {
    const product = emitTerm(this.#make, inner, values, this.#extent, () => 'chain');
    const folded = this.like(this.build.one('Mul', [product, this.number('scale')], {}, 'folded'), rows);
    return multiplied ? this.product(rows, folded, { transB }, 'dP') : folded;
  }

  /** The gradient of an operand of a term from that of its result. */
  derivative(term: Term, values: readonly Value[], operand: number, gradient: Value): Value {
    const operands = [gradient, ...values.filter((_, k) => k !== operand)];
    const { name } = values[operand]!;
    const nameOf = (_: readonly number[], whole: boolean) => (whole ? `d${name}` : 'turned');
    return emitTerm(this.#make, derivativeBy(term, operand), operands, this.#extent, nameOf);
  }

  /** a^T b in the type of a factor */
  sum(a: Value, b: Value, factor: Value, hint: string): Value {
    if (!this.#half) return this.product(a, b, { transA }, hint);
    return this.like(this.product(a, b, { transA }, `${hint}_half`), factor, hint);
  }

  /** An attribute of the call as a float32 value of rank 0. */
  number(attribute: string): Value {
    const value_float = reference(attribute, FLOAT);
    const held = this.#numbers.get(attribute) ?? this.build.one('Constant', [], { value_float }, attribute);
    this.#numbers.set(attribute, held);
    return held;
  }

  /** The value in the type of another, where types differ. */
  like(value: Value, other: Value, hint?: string): Value {
    return this.#half ? this.build.one('CastLike', [value, other], {}, hint) : value;
  }

  sumRows(rows: Value): Value {
    const keepdims = attrInt(0);
    if (this.build.opset < 13) return this.build.one('ReduceSum', [rows], { axes: attrInts([0]), keepdims });
    return this.build.one('ReduceSum', [rows, this.build.constant(i64Tensor([1], [0]), 'axes')], {
      keepdims,
    });
  }
}
