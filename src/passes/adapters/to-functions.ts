import { LOTR } from '../../ir/adapter.js';
import type { HeldAttr } from '../../ir/attr.js';
import { GraphBuilder, opsetOf } from '../../ir/builder.js';
import { functionsNeedOpset } from '../../ir/codes/adapters.js';
import { fail } from '../../ir/diagnostics.js';
import { functionKey, Graph, GraphFunction, type Model, Node, type Value } from '../../ir/model.js';
import { supersede } from '../../ir/supersede.js';
import { ADAPTED, baseOf, copyIdentity, deltaOf, factorCount } from './insert.js';
import { dtypeOf, requireChain } from './lower.js';
import { outputsByName, requirePlan } from './plan.js';

/** AttributeProto types of what is forwarded */
const FLOAT = 1;
const INT = 2;

/**
 * Writes adapted layers as calls of model-local functions in domain `lotrc`, one function per distinct (einsum, bias,
 * base op): `LoTRLinear(x, W, R, M, L, b)`, `LoTRLinear_nobias`, with `_gemm` for Gemm bases, and
 * `Adapter_<method>` likewise for other einsums. The scale reaches the body by attribute reference. A runtime inlines
 * the function; a custom-op library of the same domain and name overrides it. Functions need IR version 8, the
 * attribute references in their bodies operator set 12 (LOTR3209). Half-precision layers cast inside (CastLike, 15).
 */
export function toFunctions(model: Model): void {
  const methods = new Map<Node, string>();
  const outputs = outputsByName(model);
  for (const row of requirePlan(model, 'write functions').plans) {
    for (const use of row.sites.flatMap((site) => site.uses)) {
      const node = outputs.get(use.output)?.producer;
      if (node) methods.set(node, row.spec.method);
    }
  }
  for (const graph of model.everyGraph()) {
    for (const node of graph.nodes) {
      if (node.opKey === ADAPTED) callFunction(model, graph, node, methods.get(node) ?? 'unknown');
    }
  }
  if (model.irVersion < 8) model.setIrVersion(8);
  model.setOpset('lotrc', 1);
}

function callFunction(model: Model, graph: Graph, node: Node, method: string): void {
  requireChain(node);
  const opset = opsetOf(graph);
  const half = dtypeOf(node.inputs[1]!) !== 'f32';
  const needed = half ? 15 : 12;
  if (opset < needed) fail(functionsNeedOpset({ opset, needed }));
  const { op, attrs } = baseOf(node);
  const count = factorCount(node);
  const bias = node.inputs.length > 2 + count;
  const stem = deltaOf(node) === LOTR.delta ? 'LoTRLinear' : `Adapter_${method}`;
  const name = [
    stem,
    ...(op === 'Gemm' ? ['gemm'] : []),
    ...(half ? ['half'] : []),
    ...(bias ? [] : ['nobias']),
  ].join('_');
  if (!model.functions.has(functionKey('lotrc', name))) {
    model.addFunction(defineFunction(name, { op, count, bias, half, opset }));
  }
  const output = node.outputs[0]!;
  const call = new Node({
    op: name,
    domain: 'lotrc',
    name: node.name,
    inputs: node.inputs,
    outputs: [graph.names.freshValue(`${output.name}/call`)],
    // an attribute that the call leaves out is left out of the body's Gemm too, and has its default there
    attrs: [['scale', node.attrs.get('scale')!], ...attrs],
    origin: node.origin,
  });
  copyIdentity(node, call);
  graph.insertBefore(node, call);
  supersede(output, call.outputs[0]!, `${output.name}/adapted`);
  graph.erase(node);
}

interface Form {
  readonly op: string;
  readonly count: number;
  readonly bias: boolean;
  readonly half: boolean;
  readonly opset: number;
}

const FACTORS = ['R', 'M', 'L'];

function defineFunction(name: string, form: Form): GraphFunction {
  const graph = new Graph(name);
  const input = (hint: string): Value => graph.addInput(hint, null);
  const x = input('x');
  const w = input('W');
  const names = form.count === 2 ? ['A', 'B'] : form.count === 3 ? FACTORS : undefined;
  const factors = Array.from({ length: form.count }, (_, i) => input(names?.[i] ?? `F${i + 1}`));
  const b = form.bias ? input('b') : null;
  const fn = new GraphFunction('lotrc', name, '', graph);
  fn.opsets.set('', form.opset);
  fn.attributes = ['scale', ...(form.op === 'Gemm' ? ['alpha', 'beta', 'transA', 'transB'] : [])];
  const build = new GraphBuilder(graph, { before: null, pass: 'to-functions' });
  const ref = (attr: string, type: number): HeldAttr => ({ kind: 'ref', name: attr, type });
  const asX = (value: Value): Value => (form.half ? build.one('CastLike', [value, x]) : value);
  const scale = build.one('Constant', [], { value_float: ref('scale', FLOAT) }, 's');
  const [first, ...rest] = factors;
  const product = rest.reduce((acc, factor) => build.one('MatMul', [acc, factor], {}, 'product'));
  const folded = build.one('Mul', [product, scale], {}, 'folded');
  const tokens = build.one('MatMul', [x, asX(first!)], {}, 'xR');
  const delta = build.one('MatMul', [tokens, asX(folded)], {}, 'delta');
  const gemm = {
    alpha: ref('alpha', FLOAT),
    beta: ref('beta', FLOAT),
    transA: ref('transA', INT),
    transB: ref('transB', INT),
  };
  const base =
    form.op === 'Gemm'
      ? build.one('Gemm', b ? [x, w, b] : [x, w], gemm, 'base')
      : build.one('MatMul', [x, w], {}, 'base');
  const sum = build.one('Add', [base, delta], {}, 'y');
  graph.addOutput(b && form.op !== 'Gemm' ? build.one('Add', [sum, b], {}, 'y_bias') : sum);
  return fn;
}
