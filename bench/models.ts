import { type Attr, attrInt } from '../src/ir/attr.js';
import { Graph, Model, type Value } from '../src/ir/model.js';
import { writeModel } from '../src/ir/onnx/writer.js';
import { tensorType } from '../src/ir/shape.js';
import { ComputedTensor, f32Tensor } from '../src/ir/tensor.js';

/** The xorshift32 stream of a seed as float32 bits: either sign, any mantissa, exponent fixed: 2^-6 <= |x| < 2^-5. */
function noise(seed: number, count: number): Uint8Array {
  const words = new Uint32Array(count);
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  for (let i = 0; i < count; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = (state & 0x807fffff) | 0x3c800000;
  }
  return new Uint8Array(words.buffer);
}

/** A model of random weights in the making. */
export class RandomModel {
  readonly graph = new Graph('bench');
  readonly model = new Model(this.graph);
  #tensors = 0;

  /** With 4 bits the weights of linear layers are quantised in blocks of 32, in ONNX Runtime's operator. */
  constructor(readonly bits: 4 | 32 = 32) {
    this.model.opsets.set('', bits === 4 ? 21 : 17);
    if (bits === 4) this.model.opsets.set('com.microsoft', 1);
    this.model.producerName = 'lotrc-bench';
    // of the operator set
    this.model.irVersion = bits === 4 ? 10 : 8;
  }

  /** A weight whose elements are made when they are written and not held. */
  weight(name: string, ...shape: readonly number[]): Value {
    const seed = this.#tensors++;
    const count = shape.reduce((product, extent) => product * extent, 1);
    return this.graph.addInitializer(
      name,
      new ComputedTensor('f32', shape, `noise(${seed})`, () => noise(seed, count)),
    );
  }

  op(op: string, name: string, ...inputs: readonly Value[]): Value {
    return this.node(op, name, inputs);
  }

  node(
    op: string,
    name: string,
    inputs: readonly Value[],
    attrs: Readonly<Record<string, Attr>> = {},
  ): Value {
    const outputs = [`${name}_output_0`];
    return this.graph.append({ op, name, inputs, outputs, attrs: Object.entries(attrs) }).outputs[0]!;
  }

  linear(x: Value, path: string, inn: number, out: number): Value {
    const name = `/${path.replaceAll(/\.(?!\d)/g, '/')}/MatMul`;
    if (this.bits === 32) return this.op('MatMul', name, x, this.weight(`${path}.weight`, inn, out));
    const [block, blocks] = [32, inn / 32];
    const codes = new ComputedTensor('u8', [out, blocks, block / 2], 'codes', () =>
      Uint8Array.from({ length: (out * inn) / 2 }, (_, i) => (i * 71 + (i >> 5) * 29) & 255),
    );
    const scales = new ComputedTensor('f32', [out * blocks], 'scales', () => {
      const values = Float32Array.from({ length: out * blocks }, (_, i) => 0.002 + 1e-5 * (i % 97));
      return new Uint8Array(values.buffer);
    });
    const weight = this.graph.addInitializer(`${path}.weight`, codes);
    const scale = this.graph.addInitializer(`${path}.scales`, scales);
    const numbers = { K: inn, N: out, bits: 4, block_size: block };
    return this.graph.append({
      op: 'MatMulNBits',
      domain: 'com.microsoft',
      name,
      inputs: [x, weight, scale],
      outputs: [`${name}_output_0`],
      attrs: Object.entries(numbers).map(([key, value]) => [key, attrInt(value)] as const),
    }).outputs[0]!;
  }
}

export interface DecoderSize {
  readonly blocks: number;
  readonly width: number;
  readonly inner: number;
  /** columns of the key and value projections */
  readonly keys: number;
  readonly vocabulary: number;
}

/** 1.10e9 parameters in 22 blocks, 4.40 GB; beyond 2 GiB the writer puts the weights into one data file. */
export const LARGE: DecoderSize = { blocks: 22, width: 2048, inner: 5632, keys: 256, vocabulary: 32000 };
/** 1.25e8 parameters, 500 MB: everything in the one .onnx file. */
export const SINGLE: DecoderSize = { blocks: 12, width: 768, inner: 2048, keys: 768, vocabulary: 26000 };

/**
 * Writes a decoder of random float32 weights. Attention is left out (the sum of the three projections, widened, is
 * for it): what is measured depends on the weights and on the layers, not on what the activations do.
 */
export function writeDecoder(path: string, size: DecoderSize): void {
  const { blocks, width, inner, keys, vocabulary } = size;
  const net = new RandomModel();
  const ids = net.graph.addInput('input_ids', tensorType('i64', ['batch', 'tokens']));
  let x = net.op('Gather', '/model/embed/Gather', net.weight('model.embed.weight', vocabulary, width), ids);
  for (let n = 0; n < blocks; n++) {
    const at = `model.layers.${n}`;
    const slashed = `/model/layers.${n}`;
    const q = net.linear(x, `${at}.self_attn.q_proj`, width, width);
    const k = net.linear(x, `${at}.self_attn.k_proj`, width, keys);
    const v = net.linear(x, `${at}.self_attn.v_proj`, width, keys);
    const mixed = net.op('Mul', `${slashed}/self_attn/Mul`, k, v);
    const sum = net.op('ReduceSum', `${slashed}/self_attn/ReduceSum`, mixed);
    const attended = net.op('Add', `${slashed}/self_attn/Add`, q, sum);
    x = net.op('Add', `${slashed}/Add`, x, net.linear(attended, `${at}.self_attn.o_proj`, width, width));
    const gate = net.op(
      'Sigmoid',
      `${slashed}/mlp/act_fn/Sigmoid`,
      net.linear(x, `${at}.mlp.gate_proj`, width, inner),
    );
    const up = net.op('Mul', `${slashed}/mlp/Mul`, gate, net.linear(x, `${at}.mlp.up_proj`, width, inner));
    x = net.op('Add', `${slashed}/Add_1`, x, net.linear(up, `${at}.mlp.down_proj`, inner, width));
  }
  const logits = net.linear(x, 'lm_head', width, vocabulary);
  net.graph.addOutput(logits);
  logits.setType(tensorType('f32', ['batch', 'tokens', vocabulary]));
  writeModel(net.model, path);
}

const STEPS = ['Relu', 'Mul', 'Add', 'Tanh', 'Sub', 'Abs', 'Mul', 'Neg', 'Add', 'Sigmoid'];

/**
 * Writes a chain of `sites` linear layers of 16x16 and 40 nodes per layer; a tensor of one element has a reader in
 * about half of the nodes, as constants of exported models do.
 */
export function writeChain(path: string, sites: number): void {
  const net = new RandomModel();
  const width = 16;
  let x = net.graph.addInput('x', tensorType('f32', ['batch', width]));
  const scalar = net.graph.addInitializer('onnx::Scalar_1', f32Tensor([], [0.75]));
  for (let site = 0; site < sites; site++) {
    const block = `model.layers.${Math.floor(site / 4)}`;
    const name = ['query', 'key', 'value', 'dense'][site % 4]!;
    x = net.linear(x, `${block}.attention.${name}`, width, width);
    for (let step = 0; step < 39; step++) {
      const op = STEPS[step % STEPS.length]!;
      const path = `/${block.replace('.layers', '/layers')}/attention/${name}/${op}_${step}`;
      x = ['Mul', 'Add', 'Sub'].includes(op) ? net.op(op, path, x, scalar) : net.op(op, path, x);
    }
  }
  net.graph.addOutput(x);
  x.setType(tensorType('f32', ['batch', width]));
  writeModel(net.model, path);
}
