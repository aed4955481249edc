import { usualExtent } from '../../adapter/contraction.js';
import { deltaTerm, splitAtInput, type Term } from '../../adapter/terms.js';
import { emitTerm, type NodeMaker } from '../../adapter/to-onnx/weight-space.js';
import type { HeldAttr } from '../../ir/attr.js';
import { GraphBuilder } from '../../ir/builder.js';
import { own } from '../../ir/keys.js';
import { Graph, GraphFunction, type Value } from '../../ir/model.js';
import { declaredOp } from '../../ir/ops/index.js';
import { i64Tensor } from '../../ir/tensor.js';
import { buildIntegerLayer, INTEGER_PRODUCT } from '../sites/integer-layer.js';
import { splitKey } from './adapted-node.js';

/** AttributeProto types of what is forwarded */
export const FLOAT = 1;
export const INT = 2;

/** What the body of one of lotrc's functions depends on. */
export interface FunctionForm {
  /** key of the base op: MatMul, Gemm, or one of another domain */
  readonly op: string;
  readonly delta: string;
  /** what the factors are called, in the order of the delta */
  readonly factors: readonly string[];
  /** number of inputs of the base after its weight: a bias, the scales of a packed weight */
  readonly rest: number;
  /** x is not float32: the weight-space products, which are, are cast to its type */
  readonly half: boolean;
  readonly opset: number;
}

/**
 * The function `lotrc::name(x, W, F1, ..., Fn, rest...)` of attribute `scale` and, for bases that have any, their own attributes:
 * y = base(x, W, rest...) + (x F)(scale times the rest of delta), or x (scale D) where delta has no such first factor. Attributes reach the body by reference; one that the call leaves out is
 * left out in the body too and has its default there.
 */
export function defineFunction(name: string, form: FunctionForm): GraphFunction {
  const graph = new Graph(name);
  const input = (hint: string): Value => graph.addInput(graph.names.freshValue(hint), null);
  const x = input('x');
  const w = input('W');
  const factors = form.factors.map(input);
  const others = Array.from({ length: form.rest }, (_, k) => input(form.rest === 1 ? 'b' : `b${k + 1}`));
  const fn = new GraphFunction('lotrc', name, '', graph);
  fn.opsets.set('', form.opset);
  const { op, domain } = splitKey(form.op);
  if (domain !== '') fn.opsets.set(domain, 1);
  const fixed = own(OWN, form.op) ?? {};
  fn.attributes = ['scale', ...Object.keys(fixed)];
  const build = new GraphBuilder(graph, { before: null, pass: 'to-functions' });
  const asX = (value: Value): Value => (form.half ? build.one('CastLike', [value, x]) : value);
  const scale = build.one('Constant', [], { value_float: reference('scale', FLOAT) }, 's');
  const term = deltaTerm(form.delta);
  const make = bodyMaker(build);
  const split = splitAtInput(term);
  const folded = (of: Term, operands: readonly Value[]): Value => {
    const product = emitTerm(make, of, operands, usualExtent(term), () => 'product');
    return asX(build.one('Mul', [product, scale], {}, 'folded'));
  };
  const wide = split
    ? folded(
        split.rest,
        split.others.map((k) => factors[k]!),
      )
    : folded(term, factors);
  const tokens = split ? build.one('MatMul', [x, asX(factors[split.first]!)], {}, 'xR') : x;
  const delta = build.one('MatMul', [tokens, wide], {}, 'delta');
  // a product of two operands has its bias added after it
  const linear = declaredOp(form.op)?.linear;
  const isAlone = linear?.form === 'product' && linear.bias === undefined;
  const [added, taken] = isAlone ? [others, []] : [[], others];
  const base =
    form.op === INTEGER_PRODUCT
      ? buildIntegerLayer(graph, null, w, taken, fixed, 'base').y
      : build.node(op, [x, w, ...taken], fixed, { domain, outputs: ['base'] })[0]!;
  const sum = build.one('Add', [base, delta], {}, 'y');
  graph.addOutput(added.reduce((y, bias) => build.one('Add', [y, bias], {}, 'y_bias'), sum));
  return fn;
}

export const reference = (name: string, type: number): HeldAttr => ({ kind: 'ref', name, type });

const alpha = reference('alpha', FLOAT);
const beta = reference('beta', FLOAT);
const transA = reference('transA', INT);
const transB = reference('transB', INT);

function ints(...names: readonly string[]): Readonly<Record<string, HeldAttr>> {
  return Object.fromEntries(names.map((name) => [name, reference(name, INT)]));
}

/** Attributes of the base ops that have any. */
const OWN: Readonly<Record<string, Readonly<Record<string, HeldAttr>>>> = {
  Gemm: { alpha, beta, transA, transB },
  'com.microsoft::FusedMatMul': { alpha, transA, transB },
  'com.microsoft::MatMulNBits': ints('K', 'N', 'bits', 'block_size', 'accuracy_level'),
  'com.microsoft::MatMulBnb4': ints('K', 'N', 'block_size', 'quant_type', 'training_mode', 'transB'),
};

/** Makes the nodes of a body, equal ones once. */
export function bodyMaker(build: GraphBuilder): NodeMaker {
  const made = new Map<string, Value>();
  return {
    opset: build.opset,
    node: (op, inputs, attrs, name) => {
      const key = [op, ...inputs.map((value) => value.name), ...Object.keys(attrs)].join(' ');
      const held = made.get(key) ?? build.one(op, inputs, attrs, name);
      made.set(key, held);
      return held;
    },
    integers: (values) => build.constant(i64Tensor([values.length], values), 'axes'),
  };
}

/** A text of what a function computes, without names: equal texts mean equal functions. */
export function bodyText({ graph }: GraphFunction): string {
  const numbers = new Map<Value, number>();
  const number = (value: Value | null): string => {
    if (!value) return '_';
    if (!numbers.has(value)) numbers.set(value, numbers.size);
    return `%${numbers.get(value)}`;
  };
  const list = (values: readonly (Value | null)[]): string => values.map(number).join(' ');
  const lines = [list(graph.inputs)];
  for (const node of graph.nodes) {
    const attrs = [...node.attrs].map(
      ([name, attr]) => `${name}=${attr.kind === 'ref' ? attr.name : attr.kind}`,
    );
    lines.push(`${list(node.outputs)} = ${node.opKey} ${attrs.sort().join(' ')} (${list(node.inputs)})`);
  }
  return [...lines, list(graph.outputs)].join('\n');
}
