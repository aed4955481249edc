import { type Attr, attrFloat } from '../../ir/attr.js';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Node, Value } from '../../ir/model.js';
import type { Origins } from '../sites/origins.js';

/** Activations by name, with the attributes of their ops that FusedGemm carries as `activation_<name>`. */
const ACTIVATIONS: ReadonlyMap<string, readonly string[]> = new Map([
  ['Elu', ['alpha']],
  ['HardSigmoid', ['alpha', 'beta']],
  ['LeakyRelu', ['alpha']],
  ['Relu', []],
  ['Sigmoid', []],
  ['Softplus', []],
  ['Softsign', []],
  ['Tanh', []],
  ['ThresholdedRelu', ['alpha']],
]);

/** A Gemm and its activation in place of com.microsoft FusedGemm, so that an adapter comes before the activation. */
export function unpackFusedGemm(b: GraphBuilder, node: Node, origins: Origins): readonly Value[] | null {
  const [, weight] = node.inputs;
  const named = node.attrs.get('activation');
  const activation = named?.kind === 'string' ? new TextDecoder().decode(named.value) : '';
  const parameters = ACTIVATIONS.get(activation);
  if (!weight || !parameters || !origins.stored(weight)) return null;
  const own: Record<string, Attr> = {};
  for (const name of parameters) {
    const given = node.attrs.get(`activation_${name}`);
    if (given?.kind !== 'float') return null; // the runtime requires it
    own[name] = attrFloat(given.value);
  }
  const attrs = Object.fromEntries([...node.attrs].filter(([name]) => !name.startsWith('activation')));
  const [output] = node.outputs;
  const [product] = b.node('Gemm', node.inputs, attrs, {
    name: node.name,
    outputs: [`${output!.name}/product`],
  });
  return [b.one(activation, [product!], own, `${output!.name}/${activation}`)];
}
