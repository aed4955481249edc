import { parseArgs } from 'node:util';
import { LORA } from '../../src/adapter/methods/lora.js';
import { LOTR } from '../../src/adapter/methods/lotr.js';
import type { Model, Value } from '../../src/ir/model.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { tensorType } from '../../src/ir/shape.js';
import { ComputedTensor } from '../../src/ir/tensor.js';
import { rewrite } from '../../src/rewrite.js';
import { RandomModel } from '../models.js';

export interface LayersSize {
  readonly in: number;
  readonly out: number;
  /** layers that read one x */
  readonly layers: number;
  /** groups of such layers, each with an x of its own */
  readonly blocks?: number;
  readonly rank: number;
  readonly method: 'lotr' | 'lora';
  readonly bias: boolean;
}

/** The timed program sets its own weights: those of the file are not used. */
function zeros(net: RandomModel, name: string, ...shape: readonly number[]): Value {
  const bytes = 4 * shape.reduce((product, extent) => product * extent, 1);
  return net.graph.addInitializer(
    name,
    new ComputedTensor('f32', shape, 'zeros', () => new Uint8Array(bytes)),
  );
}

/** A model of nothing but adapted layers that read one x: what query, key and value are in each block of a transformer. */
export function layersModel({ in: inn, out, layers, blocks = 1, rank, method, bias }: LayersSize): Model {
  const net = new RandomModel();
  const names = Array.from({ length: layers }, (_, n) => `linear_${n}`);
  for (let block = 0; block < blocks; block++) {
    const numbered = blocks === 1 ? '' : `.${block}`;
    const x = net.graph.addInput(`x${numbered}`, tensorType('f32', ['tokens', inn]));
    for (const name of names) {
      const path = `block${numbered}.${name}`;
      const node = `/${path.replaceAll('.', '/')}`;
      const product = net.op('MatMul', `${node}/MatMul`, x, zeros(net, `${path}.weight`, inn, out));
      const y = bias ? net.op('Add', `${node}/Add`, product, zeros(net, `${path}.bias`, out)) : product;
      net.graph.addOutput(y);
      y.setType(tensorType('f32', ['tokens', out]));
    }
  }
  rewrite(net.model, { spec: method === 'lora' ? LORA : LOTR, rank, targets: names });
  return net.model;
}

function main(): void {
  const { values } = parseArgs({
    options: {
      in: { type: 'string', default: '4096' },
      out: { type: 'string', default: '4096' },
      layers: { type: 'string', default: '3' },
      blocks: { type: 'string', default: '1' },
      rank: { type: 'string', default: '16' },
      method: { type: 'string', default: 'lotr' },
      bias: { type: 'boolean', default: false },
      output: { type: 'string', short: 'o', default: 'layers.lotr.onnx' },
    },
  });
  const size: LayersSize = {
    in: Number(values.in),
    out: Number(values.out),
    layers: Number(values.layers),
    blocks: Number(values.blocks),
    rank: Number(values.rank),
    method: values.method === 'lora' ? 'lora' : 'lotr',
    bias: values.bias,
  };
  writeModel(layersModel(size), values.output);
}

if (process.argv[1] === import.meta.filename) main();
