import { GraphBuilder, opsetOf } from '../../ir/builder.js';
import type { Model, Value } from '../../ir/model.js';
import { opVersion } from '../../ir/ops/core/attrs.js';
import { sameShape } from '../../ir/shape.js';
import { MemoryTensor } from '../../ir/tensor.js';
import { encodeFloats } from '../../ir/values.js';
import { removeDeadIn } from '../dce.js';
import { inferShapes } from '../infer-shapes.js';
import { definePass } from '../pipeline.js';
import type { FusedOperator } from './fused-operator.js';
import { geluAt } from './gelu.js';
import { normAt } from './norm.js';

/** ONNX Runtime's kernels of the raised operators take this element type on every provider. */
const ELEMENT = 'f32';

/** Whether an operator (key as in `Node.opKey`) may be used in a model of that version of its operator set. */
export type MayUse = (op: string, opset: number) => boolean;

/** The operator is in the operator set. */
const defined: MayUse = (op, opset) => opVersion(op, opset) !== undefined;

/**
 * Raises decomposed forms in float32 models to single operators. GELU with the error function and with the hyperbolic
 * tangent: to Gelu from opset 20 on and to ONNX Runtime's Gelu and FastGelu before; constants may differ from the exact
 * ones by one part in 10^4, as they do in files. Layer normalisation over the last axes: to LayerNormalization. RMS
 * normalisation: to RMSNormalization from opset 23 on and to ONNX Runtime's SimplifiedLayerNormalization before.
 * Values inside that something else reads, or that are public outputs, stay. Only operators that `mayUse` accepts are made
 * (default: those of the model's operator set). Returns how many were raised.
 */
export function canonicalise(model: Model, mayUse: MayUse = defined): number {
  inferShapes(model);
  let count = 0;
  const ones = new Map<string, Value>();
  // functions have their own imports and branches rarely run: they stay as they are
  const found = [...model.graph.nodes].flatMap((node) => geluAt(node) ?? normAt(node) ?? []);
  for (const raised of found) if (raise(model, raised, mayUse, ones)) count++;
  if (count > 0) removeDeadIn(model.graph);
  return count;
}

function raise(model: Model, raised: FusedOperator, mayUse: MayUse, ones: Map<string, Value>): boolean {
  const { root, inputs, op, domain, attrs } = raised;
  const { type } = inputs[0];
  const [output] = root.outputs;
  if (type?.kind !== 'tensor' || type.dtype !== ELEMENT || !root.graph || !output || output.isOutput)
    return false;
  // a constant of one element may have more axes than x, which the decomposed form then gives to its result
  const result = output.type?.kind === 'tensor' ? output.type.shape : null;
  if (!type.shape || !result || !sameShape(type.shape, result)) return false;
  if (!mayUse(domain === '' ? op : `${domain}::${op}`, domain === '' ? opsetOf(root.graph) : 1)) return false;
  if (domain !== '' && !model.opsets.has(domain)) model.setOpset(domain, 1);
  const b = new GraphBuilder(root.graph, {
    before: root,
    pass: 'canonicalise',
    from: [root.name],
    prefix: 'canonical',
  });
  const values = inputs.map((input) => ('ones' in input ? onesOf(b, input.ones, ones) : input));
  const y = b.node(op, values, attrs, { domain })[0]!;
  y.setType(output.type);
  output.replaceAllUsesWith(y);
  return true;
}

/** A constant of ones, shared by all that want the shape. */
function onesOf(b: GraphBuilder, shape: readonly number[], held: Map<string, Value>): Value {
  const key = shape.join();
  const count = shape.reduce((a, extent) => a * extent, 1);
  const data = () => new MemoryTensor(ELEMENT, shape, encodeFloats(ELEMENT, Array<number>(count).fill(1)));
  const value = held.get(key) ?? b.constant(data(), 'canonical/ones');
  held.set(key, value);
  return value;
}

export const canonicalisePass = definePass({
  name: 'canonicalise',
  summary: 'raise decomposed GELU, LayerNormalization and RMSNorm to single operators',
  options: {},
  run(model, _, ctx) {
    const count = canonicalise(model);
    ctx.stat('raised', count);
    return count > 0 ? 'changed' : 'unchanged';
  },
});
