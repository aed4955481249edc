import type { AdapterSpec } from '../../src/adapter/description.js';
import { contract } from '../../src/backends/kernel/model/contract.js';
import type { AdaptedLayers } from '../../src/backends/kernel/model/layers.js';
import { attrInt } from '../../src/ir/attr.js';
import { Graph, Model, type Value } from '../../src/ir/model.js';
import { tensorType } from '../../src/ir/shape.js';
import { f32Tensor, MemoryTensor } from '../../src/ir/tensor.js';
import { rewrite } from '../../src/rewrite.js';
import { values } from './kernel-cases.js';
import { type PackedData, type Packing, packedData } from './packed-cases.js';

const outputsOf = ({ out = 37 }: Packing): number => out;
/** Inputs: no whole number of blocks, where the operator allows that. */
const inputsOf = ({ table }: Packing): number => (table ? 96 : 72);

/** q and k of one x, q with a bias, and o of another, their weights in products of ONNX Runtime (MatMulNBits; MatMulBnb4 for codes of a table). */
export function packedModel(how: Packing, ownAttrs: Readonly<Record<string, number>> = {}): Model {
  const graph = new Graph('layers');
  const [x, z] = ['x', 'z'].map((name) =>
    graph.addInput(name, tensorType('f32', ['tokens', inputsOf(how)])),
  ) as [Value, Value];
  const layer = (name: string, from: Value, bias: boolean): void => {
    const data = dataOf(name, how);
    const inputs = [
      from,
      graph.addInitializer(
        `${name}.q`,
        new MemoryTensor(
          'u8',
          how.table ? [data.bytes.length, 1] : [outputsOf(how), blocksOf(how), (how.block * how.bits) / 8],
          data.bytes,
        ),
      ),
      floats(graph, `${name}.scale`, data.scales),
      data.zeros === null
        ? null
        : data.zeros instanceof Uint8Array
          ? graph.addInitializer(`${name}.zero`, new MemoryTensor('u8', [data.zeros.length], data.zeros))
          : floats(graph, `${name}.zero`, data.zeros),
      ...(bias && !how.table
        ? [
            null,
            graph.addInitializer(`${name}.bias`, f32Tensor([outputsOf(how)], [...values(outputsOf(how), 2)])),
          ]
        : []),
    ];
    while (inputs.at(-1) === null) inputs.pop();
    const kind = how.table ? { quant_type: how.table === 'nf4' ? 1 : 0, transB: 1 } : { bits: how.bits };
    const attrs = { K: inputsOf(how), N: outputsOf(how), ...kind, block_size: how.block, ...ownAttrs };
    const [y] = graph.append({
      op: how.table ? 'MatMulBnb4' : 'MatMulNBits',
      domain: 'com.microsoft',
      name: `/${name}/MatMul`,
      inputs,
      outputs: [`${name}.y`],
      attrs: Object.entries(attrs).map(([key, value]) => [key, attrInt(value)] as const),
    }).outputs;
    y!.setType(tensorType('f32', ['tokens', outputsOf(how)]));
    graph.addOutput(y!);
  };
  layer('q', x, true);
  layer('k', x, false);
  layer('o', z, false);
  const model = new Model(graph);
  model.irVersion = 10;
  model.setOpset('', 21);
  model.setOpset('com.microsoft', 1);
  return model;
}

const blocksOf = (how: Packing): number => Math.ceil(inputsOf(how) / how.block);
const dataOf = (name: string, how: Packing): PackedData =>
  packedData(outputsOf(how), inputsOf(how), how, name.charCodeAt(0));

function floats(graph: Graph, name: string, data: Float32Array): Value {
  return graph.addInitializer(name, f32Tensor([data.length], [...data]));
}

/** What the adapted layers of this model compute. */
export function packedContraction(spec: AdapterSpec, how: Packing, rank = 3): AdaptedLayers {
  const model = packedModel(how);
  rewrite(model, { spec, rank, targets: ['q', 'k', 'o'] });
  return contract(model, { packed: true });
}

/** The tensors of these layers as the model stores them, and their weights as numbers (out, in). */
export function packedTensors(how: Packing) {
  const stored: Record<string, ArrayLike<number>> = {};
  const packed: Record<string, ArrayLike<number>> = {};
  const dense: Record<string, readonly number[]> = {};
  for (const name of ['q', 'k', 'o']) {
    const { bytes, scales, zeros, numbers } = dataOf(name, how);
    packed[`${name}.q`] = bytes;
    stored[`${name}.scale`] = scales;
    if (zeros instanceof Uint8Array) packed[`${name}.zero`] = zeros;
    else if (zeros) stored[`${name}.zero`] = zeros;
    dense[`${name}.q`] = numbers;
  }
  return { stored, packed, dense };
}
