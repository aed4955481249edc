import { attrString } from '../../ir/attr.js';
import { opsetOf } from '../../ir/builder.js';
import { own } from '../../ir/keys.js';
import type { Graph, Node, Value } from '../../ir/model.js';
import type { FusedOperator } from './fused-operator.js';
import { matches, polynomialOf } from './polynomial.js';

/** A form of GELU: x (1 + f(u(x))) / 2. */
interface Form {
  readonly inner: Readonly<Record<string, number>>;
  readonly approximate: 'none' | 'tanh';
  /** the operator of ONNX Runtime for models before opset 20 */
  readonly contrib: string;
}

const SLOPE = Math.sqrt(2 / Math.PI);
const FORMS: Readonly<Record<string, Form>> = {
  Erf: { inner: { '1,0': Math.SQRT1_2 }, approximate: 'none', contrib: 'Gelu' },
  Tanh: { inner: { '1,0': SLOPE, '3,0': SLOPE * 0.044715 }, approximate: 'tanh', contrib: 'FastGelu' },
};
const OUTER = { '1,0': 0.5, '1,1': 0.5 };

/** Constants in files are float32, sometimes printed to six digits: 0.7978845 for sqrt(2/pi), 1.4142 for sqrt(2). */
const TOLERANCE = 1e-4;
/** Operators between the function and the end of the product. */
const MOST_STEPS = 5;

/** The GELU whose error function or hyperbolic tangent this node is; null when it is something else. */
export function geluAt(node: Node): FusedOperator | null {
  const form = own(FORMS, node.opKey);
  const [u, f] = [node.inputs[0], node.outputs[0]];
  if (!form || !u || !f || !node.graph) return null;
  const x = argumentOf(u, form);
  return x && rootOf(f, x, form, node.graph);
}

/** The x in which u is the inner polynomial of the form: searched among what u is made of. */
function argumentOf(u: Value, form: Form): Value | null {
  const seen = new Set<Value>();
  const queue: Value[] = [u];
  for (let value = queue.shift(); value && seen.size < 24; value = queue.shift()) {
    if (seen.has(value)) continue;
    seen.add(value);
    if (matches(polynomialOf(u, { x: value, f: null }), form.inner, TOLERANCE)) return value;
    for (const input of value.producer?.inputs ?? []) if (input) queue.push(input);
  }
  return null;
}

/** Follows the only readers of f until the product is complete. */
function rootOf(f: Value, x: Value, form: Form, graph: Graph): FusedOperator | null {
  let at = f;
  for (let step = 0; step < MOST_STEPS; step++) {
    const [use, ...others] = [...at.uses];
    if (!use || others.length > 0 || at.isOutput || use.node.graph !== graph) return null;
    const root = use.node;
    at = root.outputs[0]!;
    if (!matches(polynomialOf(at, { x, f }), OUTER, TOLERANCE)) continue;
    const standard = opsetOf(graph) >= 20;
    const attrs = standard && form.approximate === 'tanh' ? { approximate: attrString('tanh') } : {};
    return standard
      ? { root, inputs: [x], op: 'Gelu', domain: '', attrs }
      : { root, inputs: [x], op: form.contrib, domain: 'com.microsoft', attrs: {} };
  }
  return null;
}
