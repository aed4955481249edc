import { type Attr, attrInt, attrInts } from '../../ir/attr.js';
import { GraphBuilder } from '../../ir/builder.js';
import { Graph, GraphFunction, type Value } from '../../ir/model.js';
import { i64Tensor } from '../../ir/tensor.js';
import { FLOAT, factorHints, INT, reference } from './function-body.js';

/** domain and name of the IR op that represents the gradients of an adapted layer */
export const GRADIENTS = 'lotrc::LoTRLinearGrad';

/** What the body of a gradient function depends on. */
export interface GradientForm {
  /** number of factors */
  readonly count: number;
  /** which of dx, the gradients of the factors, db it has */
  readonly wanted: readonly boolean[];
  /** x, W and dy are not float32: the factors, which are, are cast to their type where they meet them */
  readonly half: boolean;
  readonly opset: number;
}

/** The names of those outputs: dx, dR, dM, dL, db. */
export function gradientHints({ count, wanted }: Pick<GradientForm, 'count' | 'wanted'>): readonly string[] {
  return ['dx', ...factorHints(count).map((hint) => `d${hint}`), 'db'].filter((_, k) => wanted[k]);
}

/**
 * The function `lotrc::name(x, W, F1, ..., Fn, dy)` with those outputs that are wanted, of attributes `scale`, `alpha`, `beta`
 * and `transB` as `lotrc::LoTRLinearGrad` has them. Axes of x and dy before the last are flattened to rows; then
 * dP = dy (scale F2 F3 ...)^T, Z = scale (x F1)^T dy, dx = alpha dy W' + dP F1^T, dF1 = x^T dP, dF2 = Z (F3 ...)^T,
 * dF3 = F2^T Z (F4 ...)^T, ..., db = beta times the sum of dy.
 */
export function defineGradient(name: string, form: GradientForm): GraphFunction {
  const graph = new Graph(name);
  const input = (hint: string): Value => graph.addInput(hint, null);
  const [x, w] = [input('x'), input('W')];
  const factors = factorHints(form.count).map(input);
  const dy = input('dy');
  const fn = new GraphFunction('lotrc', name, '', graph);
  fn.opsets.set('', form.opset);
  fn.attributes = ['scale', 'alpha', 'beta', 'transB'];
  const body = new Body(graph, form.half);
  const [first, ...rest] = factors as [Value, ...Value[]];
  const [wantsX, wantsFirst] = form.wanted as [boolean, boolean];
  const wantsRest = form.wanted.slice(2, 1 + form.count);
  const rows = body.rows(dy, 'dy_rows');
  const xRows = wantsFirst || wantsRest.includes(true) ? body.rows(x, 'x_rows') : null;
  const dP = wantsX || wantsFirst ? backThrough(body, rows, rest) : null;
  if (wantsX) {
    const own = { alpha: reference('alpha', FLOAT), transB: reference('transB', INT) };
    const base = body.product(rows, w, own, 'base');
    const both = body.product(dP!, body.like(first, dy), { transB }, 'dx_rows', base);
    graph.addOutput(body.build.one('Reshape', [both, body.build.one('Shape', [x], {}, 'x_shape')], {}, 'dx'));
  }
  if (wantsFirst) graph.addOutput(body.sum(xRows!, dP!, first, `d${first.name}`));
  if (wantsRest.includes(true)) {
    const p = body.build.one('MatMul', [xRows!, body.like(first, dy)], {}, 'P');
    const sum = body.sum(p, rows, first, 'sum');
    const z = body.build.one(
      'Mul',
      [sum, body.number('scale')],
      {},
      rest.length === 1 ? `d${rest[0]!.name}` : 'Z',
    );
    for (const [k, { name }] of rest.entries()) {
      if (!wantsRest[k]) continue;
      const [left, right] = [body.chain(rest.slice(0, k)), body.chain(rest.slice(k + 1))];
      const turned = right ? body.product(z, right, { transB }, left ? 'turned' : `d${name}`) : z;
      graph.addOutput(left ? body.product(left, turned, { transA }, `d${name}`) : turned);
    }
  }
  if (form.wanted.at(-1)) {
    const sum = body.sumRows(rows);
    graph.addOutput(body.build.one('Mul', [sum, body.like(body.number('beta'), dy)], {}, 'db'));
  }
  return fn;
}

/** dP = dy (scale F2 F3 ...)^T */
function backThrough(body: Body, rows: Value, rest: readonly Value[]): Value {
  const folded = body.build.one('Mul', [body.chain(rest)!, body.number('scale')], {}, 'folded');
  return body.product(rows, body.like(folded, rows), { transB }, 'dP');
}

const transA = attrInt(1);
const transB = attrInt(1);

/** Makes the nodes of a body; a product of factors once. */
class Body {
  readonly build: GraphBuilder;
  readonly #chains = new Map<string, Value>();
  readonly #numbers = new Map<string, Value>();

  constructor(
    graph: Graph,
    readonly half: boolean,
  ) {
    this.build = new GraphBuilder(graph, { before: null, pass: 'to-functions' });
  }

  /** [..., n] to [rows, n] */
  rows(value: Value, hint: string): Value {
    return this.build.one('Flatten', [value], { axis: attrInt(-1) }, hint);
  }

  product(a: Value, b: Value, attrs: Readonly<Record<string, Attr>>, hint: string, plus?: Value): Value {
    return this.build.one('Gemm', [a, b, ...(plus ? [plus] : [])], attrs, hint);
  }

  /** a^T b in the type of a factor */
  sum(a: Value, b: Value, factor: Value, hint: string): Value {
    if (!this.half) return this.product(a, b, { transA }, hint);
    return this.like(this.product(a, b, { transA }, `${hint}_half`), factor, hint);
  }

  /** F1 F2 ... from the left; null of none. */
  chain(factors: readonly Value[]): Value | null {
    if (factors.length < 2) return factors[0] ?? null;
    const key = factors.map(({ name }) => name).join(' ');
    const left = this.chain(factors.slice(0, -1))!;
    const held = this.#chains.get(key) ?? this.build.one('MatMul', [left, factors.at(-1)!], {}, 'chain');
    this.#chains.set(key, held);
    return held;
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
    return this.half ? this.build.one('CastLike', [value, other], {}, hint) : value;
  }

  sumRows(rows: Value): Value {
    const keepdims = attrInt(0);
    if (this.build.opset < 13) return this.build.one('ReduceSum', [rows], { axes: attrInts([0]), keepdims });
    return this.build.one('ReduceSum', [rows, this.build.constant(i64Tensor([1], [0]), 'axes')], {
      keepdims,
    });
  }
}
