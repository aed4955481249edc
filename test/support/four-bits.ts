import { attrInt } from '../../src/ir/attr.js';
import type { Graph, Value } from '../../src/ir/model.js';
import { f32Tensor, MemoryTensor } from '../../src/ir/tensor.js';

/** Layers of one width whose weights are packed in 4 bits, and the same in float32. */
export const WIDTH = 64;

/** One layer of a model: its weight in some form, and the product. */
export type Layer = (graph: Graph, name: string, x: Value, out: number) => Value;

export const product = (graph: Graph, name: string, x: Value, w: Value): Value =>
  graph.append({ op: 'MatMul', name: `/${name}/MatMul`, inputs: [x, w], outputs: [`${name}.y`] }).outputs[0]!;

const BLOCK = 32;
const BLOCKS = WIDTH / BLOCK;
/** Row n of the weight, elements k and k + 1 (k even): low half first. */
const packedByte = (name: string, n: number, k: number): number =>
  (n * 71 + (k >> 1) * 29 + 13 * name.charCodeAt(1)) % 256;
const scaleOf = (n: number, block: number): number => Math.fround(0.01 + 0.003 * Math.sin(n + 2 * block));
const zeroOf = (n: number, block: number): number => (n + 3 * block) % 16;

/** 4 bits, blocks with scales and zero points, in ONNX Runtime's operator. */
export const fourBits: Layer = (graph, name, x, out) => {
  const each = (count: number, f: (n: number, i: number) => number) =>
    Array.from({ length: out * count }, (_, at) => f(Math.floor(at / count), at % count));
  const codes = Uint8Array.from(each(WIDTH / 2, (n, i) => packedByte(name, n, 2 * i)));
  const zeros = Uint8Array.from(each(BLOCKS / 2, (n, i) => zeroOf(n, 2 * i) | (zeroOf(n, 2 * i + 1) << 4)));
  const inputs = [
    x,
    graph.addInitializer(`${name}.q`, new MemoryTensor('u8', [out, BLOCKS, BLOCK / 2], codes)),
    graph.addInitializer(`${name}.scale`, f32Tensor([out * BLOCKS], each(BLOCKS, scaleOf))),
    graph.addInitializer(`${name}.zero`, new MemoryTensor('u8', [(out * BLOCKS) / 2], zeros)),
  ];
  const attrs = Object.entries({ K: WIDTH, N: out, bits: 4, block_size: BLOCK, accuracy_level: 1 }).map(
    ([key, value]) => [key, attrInt(value)] as const,
  );
  const domain = 'com.microsoft';
  return graph.append({
    op: 'MatMulNBits',
    domain,
    name: `/${name}/MatMulNBits`,
    inputs,
    outputs: [`${name}.y`],
    attrs,
  }).outputs[0]!;
};

/** The same weight in float32. */
export const unpacked: Layer = (graph, name, x, out) => {
  const weight = Array.from({ length: WIDTH * out }, (_, at) => {
    const [k, n] = [Math.floor(at / out), at % out];
    const code = (packedByte(name, n, k) >> (k % 2 === 0 ? 0 : 4)) & 15;
    return (code - zeroOf(n, Math.floor(k / BLOCK))) * scaleOf(n, Math.floor(k / BLOCK));
  });
  return product(graph, name, x, graph.addInitializer(`${name}.w`, f32Tensor([WIDTH, out], weight)));
};
