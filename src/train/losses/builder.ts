import { attrInt, attrInts } from '../../ir/attr.js';
import { GraphBuilder } from '../../ir/builder.js';
import { Graph, type Node, type Value } from '../../ir/model.js';
import { f32Tensor, i64Tensor, MemoryTensor } from '../../ir/tensor.js';

/** The builder of loss and optimizer nodes: constants made once, reductions in the form of the opset. */
export class TrainBuilder extends GraphBuilder {
  readonly #constants = new Map<string, Value>();

  constructor(graph: Graph, prefix: string, before: Node | null = null) {
    super(graph, { before, pass: 'onnx-train', prefix });
  }

  /** f32, rank 0 */
  f32(value: number): Value {
    return this.#once(`f32:${value}`, () => this.constant(f32Tensor([], [value]), 'train/f32'));
  }

  /** i32, rank 0 */
  i32(value: number): Value {
    const bytes = () => new Uint8Array(Int32Array.of(value).buffer);
    return this.#once(`i32:${value}`, () => this.constant(new MemoryTensor('i32', [], bytes()), 'train/i32'));
  }

  /** i64 vector */
  i64(values: readonly number[]): Value {
    return this.#once(`i64:${values}`, () => this.constant(i64Tensor([values.length], values), 'train/i64'));
  }

  /** Reduction over one axis. */
  reduce(
    op: 'ReduceSum' | 'ReduceMax' | 'ReduceMin' | 'ReduceMean',
    x: Value,
    axis: number,
    keep: boolean,
  ): Value {
    const keepdims = attrInt(keep ? 1 : 0);
    return this.opset >= (op === 'ReduceSum' ? 13 : 18)
      ? this.one(op, [x, this.i64([axis])], { keepdims })
      : this.one(op, [x], { axes: attrInts([axis]), keepdims });
  }

  /** Sum over all axes, rank 0. */
  sumAll(x: Value, name?: string): Value {
    return this.one('ReduceSum', [x], { keepdims: attrInt(0) }, name);
  }

  sumSquares(x: Value): Value {
    return this.one('ReduceSumSquare', [x], { keepdims: attrInt(0) });
  }

  unsqueeze(x: Value, axis: number): Value {
    return this.opset >= 13
      ? this.one('Unsqueeze', [x, this.i64([axis])])
      : this.one('Unsqueeze', [x], { axes: attrInts([axis]) });
  }

  /** Number of elements as f32, rank 0. */
  elementCount(x: Value): Value {
    return this.one('Cast', [this.one('Size', [x])], { to: attrInt(1) });
  }

  /** The last extent as i64, rank 0. */
  lastExtent(x: Value): Value {
    return this.one('Gather', [this.one('Shape', [x]), this.index(-1)], { axis: attrInt(0) });
  }

  /** Extents from axis `from` up to `to` as an i64 vector. */
  extents(x: Value, from: number, to: number): Value {
    const shape = this.one('Shape', [x]);
    return this.opset >= 10
      ? this.one('Slice', [shape, this.i64([from]), this.i64([to])])
      : this.one('Slice', [shape], { starts: attrInts([from]), ends: attrInts([to]) });
  }

  /** i64, rank 0 */
  index(value: number): Value {
    return this.#once(`index:${value}`, () => this.constant(i64Tensor([], [value]), 'train/index'));
  }

  /** A graph for the body of a loop, and the builder of its nodes. */
  body(name: string, prefix: string): { readonly graph: Graph; readonly inner: TrainBuilder } {
    const graph = new Graph(name);
    return { graph, inner: new TrainBuilder(graph, prefix) };
  }

  #once(key: string, make: () => Value): Value {
    const held = this.#constants.get(key) ?? make();
    this.#constants.set(key, held);
    return held;
  }
}
