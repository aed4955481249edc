import { LOTR } from '../../ir/adapter.js';
import { opsetOf } from '../../ir/builder.js';
import { functionsNeedOpset } from '../../ir/codes/adapters.js';
import { fail } from '../../ir/diagnostics.js';
import { functionKey, type Graph, type Model, Node } from '../../ir/model.js';
import { supersede } from '../../ir/supersede.js';
import { NAMES } from './base-layer.js';
import { CONVOLUTION } from './conv-layer.js';
import { bodyText, defineFunction, type FunctionForm } from './function-body.js';
import { ADAPTED, baseOf, copyIdentity, deltaOf, factorCount } from './insert.js';
import { layerType, lowerAdapters, requireChain } from './lower.js';
import { outputsByName, patchPlan, requirePlan } from './plan.js';
import { requireIrVersion } from './weight.js';

/**
 * Writes adapted layers as calls of model-local functions in domain `lotrc`, one function per distinct (einsum, bias,
 * base op): `LoTRLinear(x, W, R, M, L, b)`, `LoTRLinear_nobias`, with `_gemm` for Gemm bases (`_fusedmatmul` likewise) and `_half` for layers that
 * are not float32, and `Adapter_<method>` likewise for other einsums. The scale reaches the body by attribute reference.
 * A runtime inlines the function; a custom-op library of the same domain and name overrides it. Returns the number of
 * calls. Functions need IR version 8, the attribute references in their bodies operator set 12, CastLike 15 (LOTR3209).
 */
export function toFunctions(model: Model): number {
  const methods = new Map<Node, string>();
  const outputs = outputsByName(model);
  for (const row of requirePlan(model, 'write functions').plans) {
    for (const use of row.sites.flatMap((site) => site.uses)) {
      const node = outputs.get(use.output)?.producer;
      if (node) methods.set(node, row.spec.method);
    }
  }
  let calls = 0;
  for (const graph of model.everyGraph()) {
    for (const node of graph.nodes) {
      if (node.opKey !== ADAPTED || baseOf(node).key === CONVOLUTION) continue;
      callFunction(model, graph, node, methods.get(node) ?? 'unknown');
      calls++;
    }
  }
  if (calls > 0) requireIrVersion(model, 8);
  // a convolution has no function: where its windows lie is in attributes that lists of them would have to be
  lowerAdapters(model, 'fold');
  if (calls > 0) model.setOpset('lotrc', 1);
  patchPlan(model, { lowering: 'function' });
  return calls;
}

function callFunction(model: Model, graph: Graph, node: Node, method: string): void {
  requireChain(node);
  const opset = opsetOf(graph);
  const half = layerType(node) !== 'f32';
  const needed = half ? 15 : 12;
  if (opset < needed) fail(functionsNeedOpset({ opset, needed }));
  const { key, op, attrs } = baseOf(node);
  const count = factorCount(node);
  const rest = node.inputs.length - 2 - count;
  const stem = deltaOf(node) === LOTR.delta ? 'LoTRLinear' : `Adapter_${method.replace(/\W/g, '_')}`;
  const hint = [
    stem,
    ...(op === 'MatMul' ? [] : [op.toLowerCase()]),
    ...(half ? ['half'] : []),
    ...(rest > 0 ? [] : ['nobias']),
  ].join('_');
  const name = functionFor(model, hint, { op: key, count, rest, half, opset });
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

/** The name of the function of that form, which is defined if need be. A name that means something else is not taken. */
function functionFor(model: Model, hint: string, form: FunctionForm): string {
  for (let count = 1; ; count++) {
    const name = count === 1 ? hint : `${hint}_${count}`;
    const fn = defineFunction(name, form);
    const present = model.functions.get(functionKey('lotrc', name));
    if (!present) model.addFunction(fn);
    if (!present || bodyText(present) === bodyText(fn)) return name;
  }
}
