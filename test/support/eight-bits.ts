import { attrInt } from '../../src/ir/attr.js';
import { f32Tensor, MemoryTensor } from '../../src/ir/tensor.js';
import { type Layer, product, WIDTH } from './four-bits.js';

const code = (name: string, k: number, n: number): number =>
  ((k * 89 + n * 53 + name.charCodeAt(1) * 17) % 255) - 127;
const scaleOf = (n: number): number => Math.fround(0.002 + 0.0005 * Math.sin(n));
const zeroOf = (n: number): number => (n % 7) - 3;
const each = (out: number, f: (n: number) => number) => Array.from({ length: out }, (_, n) => f(n));

/** A layer as dynamic quantisation writes it: x rounded to 8 bits at run time, the weight in 8 bits with a scale per column. */
export const eightBits: Layer = (graph, name, x, out) => {
  const codes = Int8Array.from({ length: WIDTH * out }, (_, i) => code(name, Math.floor(i / out), i % out));
  const i8 = (shape: number[], data: Int8Array) => new MemoryTensor('i8', shape, new Uint8Array(data.buffer));
  const w = graph.addInitializer(`${name}.w_quantized`, i8([WIDTH, out], codes));
  const scale = graph.addInitializer(`${name}.w_scale`, f32Tensor([out], each(out, scaleOf)));
  const zero = graph.addInitializer(`${name}.w_zero`, i8([out], Int8Array.from(each(out, zeroOf))));
  const append = (op: string, label: string, inputs: readonly (typeof x)[], outputs: string[], attrs = {}) =>
    graph.append({ op, name: `/${name}/${label}`, inputs, outputs, attrs: Object.entries(attrs) }).outputs;
  const rounded = ['xq', 'xs', 'xz'].map((part) => `${name}.${part}`);
  const [xq, xs, xz] = append('DynamicQuantizeLinear', 'Round', [x], rounded);
  const [sum] = append('MatMulInteger', 'MatMul_quant', [xq!, w, xz!, zero], [`${name}.sum`]);
  const [real] = append('Cast', 'cast', [sum!], [`${name}.cast`], { to: attrInt(1) });
  const [both] = append('Mul', 'scales', [xs!, scale], [`${name}.scales`]);
  return append('Mul', 'scale', [real!, both!], [`${name}.y`])[0]!;
};

/** The same weights in float32, and nothing rounded. */
export const unrounded: Layer = (graph, name, x, out) => {
  const w = Array.from({ length: WIDTH * out }, (_, i) => {
    const [k, n] = [Math.floor(i / out), i % out];
    return (code(name, k, n) - zeroOf(n)) * scaleOf(n);
  });
  return product(graph, name, x, graph.addInitializer(`${name}.w`, f32Tensor([WIDTH, out], w)));
};
