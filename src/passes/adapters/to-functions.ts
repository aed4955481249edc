import type { AdapterSpec } from '../../adapter/description.js';
import { LOTR } from '../../adapter/methods/lotr.js';
import { planFactors } from '../../adapter/plan-factors.js';
import { sameTerm } from '../../adapter/terms.js';
import { opsetOf } from '../../ir/builder.js';
import { functionsNeedOpset } from '../../ir/codes/adapters.js';
import { fail } from '../../ir/diagnostics.js';
import { functionKey, type Graph, type GraphFunction, type Model, Node } from '../../ir/model.js';
import { supersede } from '../../ir/supersede.js';
import { patchPlan, requirePlan } from '../plan/plan.js';
import { MATRIX } from '../sites/stacked.js';
import { ADAPTED, baseOf, copyIdentity, factorCount, statedShape, wrapOfNode } from './adapted-node.js';
import { NAMES } from './base-layer.js';
import { CONVOLUTION } from './conv-layer.js';
import { bodyText, defineFunction } from './function-body.js';
import { defineGradient, GRADIENTS, gradientHints } from './gradient-function.js';
import { wholeFactor } from './leading-part.js';
import { dtypeOf, layerType, lowerAdapters } from './lower.js';
import { requireIrVersion } from './stored-weight.js';

/**
 * Writes adapted layers as calls of model-local functions in domain `lotrc`, one function per distinct (einsum, bias,
 * base op): `LoTRLinear(x, W, R, M, L, b)`, `LoTRLinear_nobias`, with `_gemm` for Gemm bases (`_fusedmatmul` likewise) and `_half` for layers that
 * are not float32, and `Adapter_<method>` likewise for other einsums. The scale reaches the body by attribute reference. Their
 * gradients (`lotrc::LoTRLinearGrad` of training graphs) become calls of functions of the same name with `Grad` and the
 * outputs that are wanted: `LoTRLinearGrad_dx_dR_dM_dL`, `Adapter_loraGrad_half_dA_dB`, one for all base ops.
 * A runtime inlines the function; a custom-op library of the same domain and name overrides it. Returns the number of
 * calls. Functions need IR version 8, the attribute references in their bodies operator set 12, CastLike 15 (LOTR3209).
 */
export function toFunctions(model: Model): number {
  // a method is known by the first factor: layers may have been recreated, and gradients are not layers
  const specs = new Map(
    planFactors(requirePlan(model, 'write functions').plans).map(({ name, row }) => [name, row.spec]),
  );
  const specOf = (node: Node): AdapterSpec => specs.get(wholeFactor(node.inputs[2]!).name)!;
  let calls = 0;
  for (const graph of model.everyGraph()) {
    for (const node of graph.nodes) {
      const write = node.opKey === ADAPTED ? callFunction : node.opKey === GRADIENTS ? callGradient : null;
      if (!write || (write === callFunction && hasNone(node))) continue;
      write(model, graph, node, specOf(node));
      calls++;
    }
  }
  if (calls > 0) requireIrVersion(model, 8);
  // a convolution has no function: where its windows lie is in attributes that lists of them would have to be; nor has a
  // matrix of a stack, which has no x, nor what changes the weight otherwise than by a sum
  lowerAdapters(model, 'fold');
  if (calls > 0) model.setOpset('lotrc', 1);
  patchPlan(model, { lowering: 'function' });
  return calls;
}

function callFunction(model: Model, graph: Graph, node: Node, spec: AdapterSpec): void {
  const half = layerType(node) !== 'f32';
  const opset = opsetFor(graph, half);
  const { key, op, attrs } = baseOf(node);
  const count = factorCount(node);
  const rest = node.inputs.length - 2 - count;
  const hint = [
    stemOf(spec),
    ...(op === 'MatMul' ? [] : [op.toLowerCase()]),
    ...(half ? ['half'] : []),
    ...(rest > 0 ? [] : ['nobias']),
  ].join('_');
  const { delta } = spec;
  const factors = spec.factors.map(({ name }) => name);
  const name = functionFor(model, hint, (name) =>
    defineFunction(name, { op: key, delta, factors, rest, half, opset }),
  );
  const output = node.outputs[0]!;
  const call = new Node({
    op: name,
    domain: 'lotrc',
    name: node.name,
    inputs: node.inputs,
    outputs: [graph.names.freshValue(`${output.name}/call`)],
    attrs: [['scale', node.attrs.get('scale')!], ...attrs.filter(([name]) => name !== NAMES)],
    origin: node.origin,
  });
  copyIdentity(node, call);
  graph.insertBefore(node, call);
  supersede(output, call.outputs[0]!, `${output.name}/adapted`);
  graph.erase(node);
}

/** The same of the gradients of a layer; only those that some node reads are outputs. */
function callGradient(model: Model, graph: Graph, node: Node, spec: AdapterSpec): void {
  const half = dtypeOf(node.inputs[1]!) !== 'f32';
  const opset = opsetFor(graph, half);
  const { delta } = spec;
  const factors = spec.factors.map(({ name }) => name);
  const wanted = node.outputs.map(({ name }) => name !== '');
  const hint = [`${stemOf(spec)}Grad`, ...(half ? ['half'] : []), ...gradientHints({ factors, wanted })].join(
    '_',
  );
  const name = functionFor(model, hint, (name) =>
    defineGradient(name, { delta, factors, wanted, half, opset }),
  );
  const delivered = node.outputs.filter((_, k) => wanted[k]);
  const call = new Node({
    op: name,
    domain: 'lotrc',
    name: node.name,
    inputs: node.inputs,
    outputs: delivered.map((output) => graph.names.freshValue(`${output.name}/call`)),
    attrs: [...node.attrs].filter(([name]) => name !== 'delta'),
    origin: node.origin,
  });
  graph.insertBefore(node, call);
  for (const [k, output] of delivered.entries())
    supersede(output, call.outputs[k]!, `${output.name}/gradient`);
  graph.erase(node);
}

const NO_FUNCTION: ReadonlySet<string> = new Set([CONVOLUTION, MATRIX]);

/** Whether no function computes a layer: those have no wraps, and no extents of a layer. */
const hasNone = (layer: Node): boolean =>
  NO_FUNCTION.has(baseOf(layer).key) || wrapOfNode(layer) !== 'add' || statedShape(layer) !== null;

/** Operators of a custom-op library are known by these names. */
export const stemOf = ({ delta, method }: Pick<AdapterSpec, 'delta' | 'method'>): string =>
  sameTerm(delta, LOTR.delta) ? 'LoTRLinear' : `Adapter_${method.replace(/\W/g, '_')}`;

/** The operator set of the bodies that a graph calls. Throws LOTR3209 where it lacks what they are written with. */
function opsetFor(graph: Graph, half: boolean): number {
  const opset = opsetOf(graph);
  const needed = half ? 15 : 12;
  if (opset < needed) fail(functionsNeedOpset({ opset, needed }));
  return opset;
}

/** The name of the function of that form, which is defined if need be. A name that means something else is not taken. */
function functionFor(model: Model, hint: string, define: (name: string) => GraphFunction): string {
  for (let count = 1; ; count++) {
    const name = count === 1 ? hint : `${hint}_${count}`;
    const fn = define(name);
    const present = model.functions.get(functionKey('lotrc', name));
    if (!present) model.addFunction(fn);
    if (!present || bodyText(present) === bodyText(fn)) return name;
  }
}
