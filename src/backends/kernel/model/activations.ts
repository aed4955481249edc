import { attrText } from '../../../ir/attr.js';
import { constantData } from '../../../ir/constants.js';
import type { Node, Value } from '../../../ir/model.js';
import { toF64 } from '../../../ir/values.js';
import type { Activation } from './types.js';

/** An activation that is the only reader of a value, and the value it gives. */
export interface FusedActivation {
  readonly activation: Activation;
  readonly out: Value;
}

/** One way in which exporters write an activation. */
type Reading = (v: Value, readers: readonly Node[]) => FusedActivation | null;

/** The activation that is the only reader of `v`; null when other nodes read `v` too, or `v` is an output. */
export function activationAfter(v: Value): FusedActivation | null {
  if (v.isOutput) return null;
  const readers = [...new Set([...v.uses].map(({ node }) => node))];
  for (const reading of READINGS) {
    const found = reading(v, readers);
    if (found) return found;
  }
  return null;
}

/** Relu, Gelu as one op */
const oneOp: Reading = (_, readers) => {
  const [node] = readers;
  const out = node?.outputs[0];
  if (readers.length !== 1 || !node || !out) return null;
  const found = ONE_OP.get(node.opKey)?.(node);
  return found ? { activation: found, out } : null;
};

const ONE_OP: ReadonlyMap<string, (node: Node) => Activation | null> = new Map<
  string,
  (node: Node) => Activation | null
>([
  ['Relu', () => 'relu'],
  [
    'Gelu',
    (node) => {
      const form = node.attrs.get('approximate');
      return form?.kind === 'string' && attrText(form.value) === 'tanh' ? 'gelu-tanh' : 'gelu';
    },
  ],
  ['com.microsoft::Gelu', () => 'gelu'],
  // its second input is a bias
  ['com.microsoft::FastGelu', (node) => (node.inputs[1] ? null : 'gelu-tanh')],
]);

/** v * Sigmoid(v) */
const silu: Reading = (v, readers) => {
  const sigmoid = readers.find((node) => node.opKey === 'Sigmoid');
  const product = sigmoid && onlyReader(sigmoid.outputs[0]);
  if (readers.length !== 2 || product?.opKey !== 'Mul' || !readers.includes(product)) return null;
  return product.inputs.includes(v) ? { activation: 'silu', out: product.outputs[0]! } : null;
};

/** v * 0.5 * (1 + Erf(v / sqrt(2))), the factors in any order */
const geluOfErf: Reading = (v, readers) => {
  const scaled = readers.find((node) => isScaledBy(node, v, Math.SQRT1_2));
  const erf = scaled && onlyReader(scaled.outputs[0]);
  const sum = erf?.opKey === 'Erf' ? onlyReader(erf.outputs[0]) : null;
  if (readers.length !== 2 || sum?.opKey !== 'Add' || otherScalar(sum, erf!.outputs[0]!) !== 1) return null;
  let out = sum.outputs[0]!;
  for (let steps = 0; steps < 2; steps++) {
    const product = onlyReader(out);
    if (product?.opKey !== 'Mul') return null;
    out = product.outputs[0]!;
  }
  const leaves = factorsOf(out, new Set([v, sum.outputs[0]!]));
  const halves = leaves.filter((leaf) => scalarOf(leaf) === 0.5).length;
  const complete = leaves.length === 3 && leaves.includes(v) && leaves.includes(sum.outputs[0]!);
  return complete && halves === 1 ? { activation: 'gelu', out } : null;
};

const READINGS: readonly Reading[] = [oneOp, silu, geluOfErf];

function onlyReader(value: Value | undefined): Node | null {
  if (!value || value.isOutput || value.uses.size !== 1) return null;
  const [use] = value.uses;
  return use!.node;
}

/** v * f, or v / (1 / f) */
function isScaledBy(node: Node, v: Value, factor: number): boolean {
  const close = (value: number | null, wanted: number) =>
    value !== null && Math.abs(value / wanted - 1) < 1e-3; // 16-bit constants too
  if (node.opKey === 'Div') return node.inputs[0] === v && close(scalarOf(node.inputs[1]), 1 / factor);
  return node.opKey === 'Mul' && close(otherScalar(node, v), factor);
}

function otherScalar(node: Node, value: Value): number | null {
  const [a, b] = node.inputs;
  return scalarOf(a === value ? b : b === value ? a : null);
}

/** Factors of a product of products; values in `stop` are kept as factors. */
function factorsOf(value: Value, stop: ReadonlySet<Value>): readonly Value[] {
  const { producer } = value;
  if (stop.has(value) || producer?.opKey !== 'Mul') return [value];
  return producer.inputs.flatMap((input) => (input ? factorsOf(input, stop) : []));
}

function scalarOf(value: Value | null | undefined): number | null {
  const data = value ? constantData(value) : null;
  if (!data || data.shape.some((extent) => extent !== 1)) return null;
  return ['f32', 'f16', 'bf16', 'f64'].includes(data.dtype) ? toF64(data)[0]! : null;
}
