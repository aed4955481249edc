import { attrInt, attrInts } from '../../ir/attr.js';
import { GraphBuilder } from '../../ir/builder.js';
import { type DType, dtypeToOnnx, isFloat } from '../../ir/dtype.js';
import type { Graph, Node, Value } from '../../ir/model.js';
import type { GradBuilder, Refusal } from '../../ir/ops/core/define.js';
import type { Ints } from '../../ir/ops/core/dims.js';
import { constantVector, entry } from '../../ir/ops/core/gradient-shape.js';
import { scalarTensor } from '../../ir/scalar.js';
import type { Dim } from '../../ir/shape.js';
import { i64Tensor } from '../../ir/tensor.js';
import { knownIntegers } from '../infer-shapes.js';

/** Thrown by a rule's helper and caught by the engine, which turns it into a diagnostic with the node's path. */
export class RefusalError extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal.because);
  }
}

/** The builder that gradient rules see. Equal constants and shapes are made once. */
export class Gradients extends GraphBuilder implements GradBuilder {
  /** the node whose rule runs now, which of its inputs are wanted, and the element type of the gradients that arrive */
  current: {
    readonly node: Node;
    readonly wanted: ReadonlySet<number>;
    readonly dtype: DType | null;
  } | null = null;
  readonly #constants = new Map<string, Value>();
  readonly #shapes = new Map<Value, Value>();
  #known: ((value: Value) => Ints | null) | null = null;

  constructor(
    graph: Graph,
    /** name of the pass recorded in new nodes */
    readonly pass: string,
  ) {
    super(graph, { before: null, pass, prefix: 'grad' });
  }

  wants(index: number): boolean {
    return this.current?.wanted.has(index) ?? false;
  }

  add(a: Value, b: Value): Value {
    return this.one('Add', [a, b]);
  }
  sub(a: Value, b: Value): Value {
    return this.one('Sub', [a, b]);
  }
  mul(a: Value, b: Value): Value {
    return this.one('Mul', [a, b]);
  }
  div(a: Value, b: Value): Value {
    return this.one('Div', [a, b]);
  }
  neg(a: Value): Value {
    return this.one('Neg', [a]);
  }

  scalar(value: number, like: Value): Value {
    const own = like.type?.kind === 'tensor' ? like.type.dtype : null;
    // integers that represent rounded numbers have floating-point gradients
    const dtype = own && !isFloat(own) ? this.current?.dtype : own;
    if (!dtype) return this.refuse(`the element type of "${like.name}" is unknown or not floating point`);
    return this.once(`${dtype}:${value}`, () => this.constant(scalarTensor(dtype, value), 'grad/constant'));
  }

  ints(values: readonly number[]): Value {
    return this.once(`i64:${values.join(',')}`, () =>
      this.constant(i64Tensor([values.length], values), 'grad/ints'),
    );
  }

  isHalf({ type }: Value): boolean {
    return type?.kind === 'tensor' && (type.dtype === 'f16' || type.dtype === 'bf16');
  }

  index(value: number): Value {
    return this.once(`index:${value}`, () => this.constant(i64Tensor([], [value]), 'grad/index'));
  }

  onnxType(value: Value): number {
    const { type } = value;
    return type?.kind === 'tensor'
      ? dtypeToOnnx(type.dtype)
      : this.refuse(`the element type of "${value.name}" is unknown`);
  }

  rank(value: Value): number {
    return this.dims(value).length;
  }

  dims(value: Value): readonly Dim[] {
    const { type } = value;
    if (type?.kind !== 'tensor' || type.shape === null) {
      return this.refuse(`the rank of "${value.name}" is unknown`);
    }
    return type.shape;
  }

  contents(value: Value): Ints | null {
    const constant = constantVector(value);
    if (constant) return constant;
    // computed for values of the forward graph: nodes appended since do not change them; what a branch reads from outside
    // is known in the graph around it
    this.#known ??= knownIntegers(this.graph.outermost);
    return this.#known(value);
  }

  shapeOf(value: Value): Value {
    const { type } = value;
    const shape = type?.kind === 'tensor' ? type.shape : null;
    if (shape?.every((dim): dim is number => typeof dim === 'number')) return this.ints(shape);
    const fromInputs = shape ? this.#shapeFromInputs(shape) : null;
    if (fromInputs) return fromInputs;
    const known = this.#shapes.get(value);
    if (known) return known;
    const made = this.one('Shape', [value]);
    this.#shapes.set(value, made);
    return made;
  }

  /**
   * A shape put together from extents of graph inputs: reading the shape of an activation in the backward pass would
   * keep the whole activation alive until then. Null when an extent is neither a number nor the name of an input's
   * dimension.
   */
  #shapeFromInputs(shape: readonly Dim[]): Value | null {
    const parts: Value[] = [];
    for (const dim of shape) {
      const part =
        typeof dim === 'number' ? this.ints([dim]) : dim === null ? null : this.#extentOfInput(dim);
      if (!part) return null;
      parts.push(part);
    }
    return this.once(`shape:${shape.join(',')}`, () => this.one('Concat', parts, { axis: attrInt(0) }));
  }

  #extentOfInput(name: string): Value | null {
    for (const input of this.graph.inputs) {
      const shape = input.type?.kind === 'tensor' ? input.type.shape : null;
      const axis = shape?.indexOf(name) ?? -1;
      if (axis < 0) continue;
      return this.once(`extent:${name}`, () => entry(this, this.one('Shape', [input]), axis));
    }
    return null;
  }

  reshape(x: Value, shape: Value): Value {
    return this.one('Reshape', [x, shape]);
  }

  reshapeLike(x: Value, like: Value): Value {
    return this.reshape(x, this.shapeOf(like));
  }

  transpose(x: Value, perm: readonly number[]): Value {
    return this.one('Transpose', [x], { perm: attrInts(perm) });
  }

  transposeLast(x: Value): Value {
    const rank = this.rank(x);
    const perm = Array.from({ length: rank }, (_, i) => i);
    perm.splice(rank - 2, 2, rank - 1, rank - 2);
    return this.transpose(x, perm);
  }

  reduceSum(x: Value, axes: readonly number[], keep: boolean): Value {
    // axes became an input of ReduceSum in opset 13
    return this.#reduce('ReduceSum', 13, x, axes, keep);
  }

  reduceMean(x: Value, axes: readonly number[], keep: boolean): Value {
    return this.#reduce('ReduceMean', 18, x, axes, keep);
  }

  #reduce(op: string, inputSince: number, x: Value, axes: readonly number[], keep: boolean): Value {
    const keepdims = attrInt(keep ? 1 : 0);
    return this.opset >= inputSince
      ? this.one(op, [x, this.ints(axes)], { keepdims })
      : this.one(op, [x], { axes: attrInts(axes), keepdims });
  }

  sumTo(g: Value, from: Value, to: Value): Value {
    if (from === to) return g;
    const source = this.dims(from);
    const target = this.dims(to);
    const lead = source.length - target.length;
    if (lead < 0) this.refuse(`"${to.name}" has a higher rank than "${from.name}"`);
    const axes: number[] = Array.from({ length: lead }, (_, i) => i);
    let unsure = false;
    for (const [i, dim] of target.entries()) {
      const wide = source[i + lead] ?? null;
      if (dim !== null && dim === wide) continue;
      if (dim === 1) axes.push(i + lead);
      else unsure ||= !(typeof dim === 'number' && typeof wide === 'number');
    }
    if (unsure) return this.#sumAtRunTime(g, from, to, lead);
    if (axes.length === 0) return g;
    const keepsRank = lead === 0;
    const sum = this.reduceSum(g, axes, keepsRank);
    if (keepsRank) return sum;
    // leading axes are gone; axes of extent 1 in the middle were summed away with them and come back by Reshape
    return axes.length === lead ? sum : this.reshapeLike(sum, to);
  }

  /** Extents that are only known at run time: sum over the axes along which the shapes differ. */
  #sumAtRunTime(g: Value, from: Value, to: Value, lead: number): Value {
    if (this.opset < 13) {
      this.refuse(`whether "${to.name}" is broadcast is only known at run time, which needs opset 13`);
    }
    const shape = this.shapeOf(to);
    const padded =
      lead === 0 ? shape : this.one('Concat', [this.ints(Array(lead).fill(1)), shape], { axis: attrInt(0) });
    const differ = this.one('Not', [this.one('Equal', [padded, this.shapeOf(from)])]);
    const axes = this.reshape(this.one('NonZero', [differ]), this.ints([-1]));
    const sum = this.one('ReduceSum', [g, axes], { keepdims: attrInt(1), noop_with_empty_axes: attrInt(1) });
    return this.reshape(sum, shape);
  }

  refuse(because: string): never {
    throw new RefusalError(this.current ? { because, at: this.current.node } : { because });
  }

  once(key: string, make: () => Value): Value {
    const held = this.#constants.get(key) ?? make();
    this.#constants.set(key, held);
    return held;
  }
}
