import { GraphBuilder } from '../../ir/builder.js';
import type { Model } from '../../ir/model.js';
import { sameShape } from '../../ir/shape.js';
import { removeDeadIn } from '../dce.js';
import { inferShapes } from '../infer-shapes.js';
import { definePass } from '../pipeline.js';
import { geluAt, type Raised } from './gelu.js';

/** ONNX Runtime's kernels of the raised operators take this element type on every provider. */
const ELEMENT = 'f32';

/**
 * Raises decomposed activations of float32 models to single operators: GELU with the error function and with the
 * hyperbolic tangent, to Gelu from opset 20 on and to ONNX Runtime's Gelu and FastGelu before. Constants may differ from
 * the exact ones by one part in 10^4, as they do in files. A value that something else reads, or that is a public output,
 * keeps its own node. Returns how many were raised.
 */
export function canonicalise(model: Model): number {
  inferShapes(model);
  let count = 0;
  // functions have imports of their own and branches run seldom: they stay as they are
  const found = [...model.graph.nodes].flatMap((node) => geluAt(node) ?? []);
  for (const raised of found) if (raise(model, raised)) count++;
  if (count > 0) removeDeadIn(model.graph);
  return count;
}

function raise(model: Model, { root, x, op, domain, attrs }: Raised): boolean {
  const { type } = x;
  const [output] = root.outputs;
  if (type?.kind !== 'tensor' || type.dtype !== ELEMENT || !root.graph || !output || output.isOutput)
    return false;
  // a constant of one element may have more axes than x, which the decomposed form then gives to its result
  const result = output.type?.kind === 'tensor' ? output.type.shape : null;
  if (!type.shape || !result || !sameShape(type.shape, result)) return false;
  if (domain !== '' && !model.opsets.has(domain)) model.setOpset(domain, 1);
  const b = new GraphBuilder(root.graph, {
    before: root,
    pass: 'canonicalise',
    from: [root.name],
    prefix: 'canonical',
  });
  const y = b.node(op, [x], attrs, { domain })[0]!;
  y.setType(output.type);
  output.replaceAllUsesWith(y);
  return true;
}

export const canonicalisePass = definePass<object>({
  name: 'canonicalise',
  summary: 'raise decomposed GELU to single operators',
  options: {},
  run(model, _, ctx) {
    const count = canonicalise(model);
    ctx.stat('raised', count);
    return count > 0 ? 'changed' : 'unchanged';
  },
});
