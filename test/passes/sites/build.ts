import { type Attr, attrInt, attrInts, attrTensor } from '../../../src/ir/attr.js';
import { Graph, Model, type Node, type Value } from '../../../src/ir/model.js';
import { tensorType } from '../../../src/ir/shape.js';
import { f32Tensor, type TensorData } from '../../../src/ir/tensor.js';

/** Numbers that repeat nowhere soon: element `i` of stream `seed`. */
export const element = (seed: number, i: number): number => Math.fround(Math.sin(seed * 131 + i * 0.7 + 1));

export function weight(seed: number, rows: number, columns: number): TensorData {
  return f32Tensor(
    [rows, columns],
    Array.from({ length: rows * columns }, (_, i) => element(seed, i)),
  );
}

/** The transpose of {@link weight}. */
export function weightT(seed: number, rows: number, columns: number): TensorData {
  const values = Array.from({ length: rows * columns }, (_, i) =>
    element(seed, (i % rows) * columns + Math.floor(i / rows)),
  );
  return f32Tensor([columns, rows], values);
}

/** A model under construction: one input `x` of [batch, width]. */
export class Net {
  readonly graph = new Graph('g');
  readonly model = new Model(this.graph);
  readonly x: Value;
  #count = 0;

  constructor(width: number) {
    this.model.opsets.set('', 17);
    this.x = this.graph.addInput('x', tensorType('f32', ['batch', width]));
  }

  init(name: string, data: TensorData): Value {
    return this.graph.addInitializer(name, data);
  }

  node(op: string, inputs: (Value | null)[], name = '', attrs: Record<string, Attr> = {}, domain = ''): Node {
    const outputs = [`${op}_${this.#count++}`];
    return this.graph.append({ op, domain, name, inputs, outputs, attrs: Object.entries(attrs) });
  }

  op(op: string, inputs: (Value | null)[], name = '', attrs: Record<string, Attr> = {}): Value {
    return this.node(op, inputs, name, attrs).outputs[0]!;
  }

  constant(data: TensorData): Value {
    return this.op('Constant', [], '', { value: attrTensor(data) });
  }

  transpose(value: Value, ...perm: number[]): Value {
    return this.op('Transpose', [value], '', perm.length > 0 ? { perm: attrInts(perm) } : {});
  }

  gemm(x: Value, w: Value, attrs: Record<string, number>, name = '', bias: Value | null = null): Value {
    const held = Object.entries(attrs).map(([key, value]) => [key, attrInt(value)] as const);
    return this.op('Gemm', bias ? [x, w, bias] : [x, w], name, Object.fromEntries(held));
  }

  /** x W with a stored weight, named as TorchScript does: `/a/b/MatMul`. */
  linear(x: Value, path: string, data: TensorData): Value {
    const name = `/${path.replaceAll(/\.(?!\d)/g, '/')}/MatMul`;
    return this.op('MatMul', [x, this.init(`onnx::MatMul_${100 + this.#count}`, data)], name);
  }

  output(value: Value): this {
    this.graph.addOutput(value);
    return this;
  }
}
