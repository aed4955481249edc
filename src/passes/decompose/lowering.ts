import { type Attr, attrInt, attrInts } from '../../ir/attr.js';
import { GraphBuilder } from '../../ir/builder.js';
import { type DType, dtypeToOnnx } from '../../ir/dtype.js';
import type { Node, Value } from '../../ir/model.js';
import { scalarTensor } from '../../ir/scalar.js';
import type { Dim } from '../../ir/shape.js';
import { i64Tensor } from '../../ir/tensor.js';

/** Values that several decompositions of one graph read: constants, and causal masks by the extents they span. */
export type SharedValues = Map<string, Value>;

/** Extents of Split and axes of Unsqueeze are inputs from this operator set on. */
const AS_INPUT = 13;

/** Makes the nodes that replace one node, before it. */
export class OpLowering extends GraphBuilder {
  readonly #shared: SharedValues;

  /** `dtype` is the floating-point element type that the node computes in. */
  constructor(
    place: Node,
    readonly dtype: DType,
    shared: SharedValues,
  ) {
    super(place.graph!, { before: place, pass: 'decompose', from: [place.name], prefix: 'decomposed' });
    this.#shared = shared;
  }

  /** A constant of rank 0 of the node's element type. */
  scalar(value: number): Value {
    return this.once(`${this.dtype}:${value}`, () =>
      this.constant(scalarTensor(this.dtype, value), 'decomposed/constant'),
    );
  }

  /** A constant int64 vector. */
  ints(values: readonly number[]): Value {
    return this.once(`i64:${values.join(',')}`, () =>
      this.constant(i64Tensor([values.length], values), 'decomposed/ints'),
    );
  }

  /** A constant int64 of rank 0. */
  index(value: number): Value {
    return this.once(`index:${value}`, () => this.constant(i64Tensor([], [value]), 'decomposed/index'));
  }

  add(a: Value, b: Value): Value {
    return this.one('Add', [a, b]);
  }

  mul(a: Value, b: Value): Value {
    return this.one('Mul', [a, b]);
  }

  /** Reshape to extents of which 0 copies the one at the same place and -1 is what remains. */
  reshape(x: Value, extents: readonly number[]): Value {
    return this.one('Reshape', [x, this.ints(extents)]);
  }

  transpose(x: Value, ...perm: number[]): Value {
    return this.one('Transpose', [x], { perm: attrInts(perm) });
  }

  /** Number of elements along an axis, an int64 of rank 0. */
  extent(x: Value, axis: number): Value {
    const dim = dimsOf(x)?.[axis];
    if (typeof dim === 'number') return this.index(dim);
    return this.one('Gather', [this.one('Shape', [x]), this.index(axis)], { axis: attrInt(0) });
  }

  cast(x: Value, dtype: DType): Value {
    return this.one('Cast', [x], { to: attrInt(dtypeToOnnx(dtype)) });
  }

  /** Consecutive parts of the given extents along an axis. */
  split(x: Value, axis: number, extents: readonly number[]): Value[] {
    const at = { axis: attrInt(axis) };
    const outputs = extents.length;
    return this.opset >= AS_INPUT
      ? this.node('Split', [x, this.ints(extents)], at, { outputs })
      : this.node('Split', [x], { ...at, split: attrInts(extents) }, { outputs });
  }

  /** Axes of extent 1, at these places of the result. */
  unsqueeze(x: Value, axes: readonly number[]): Value {
    return this.opset >= AS_INPUT
      ? this.one('Unsqueeze', [x, this.ints(axes)])
      : this.one('Unsqueeze', [x], { axes: attrInts(axes) });
  }

  /** 0, 1, ... up to the extent of x along an axis, int64. */
  positions(x: Value, axis: number): Value {
    return this.one('Range', [this.index(0), this.extent(x, axis), this.index(1)]);
  }

  /** (queries, keys) booleans: key j may be seen by query i when j <= i. The axes are those of the lengths. */
  causal(q: Value, qAxis: number, k: Value, kAxis: number): Value {
    const extents: Dim[] = [dimsOf(q)?.[qAxis] ?? null, dimsOf(k)?.[kAxis] ?? null];
    const make = () => {
      const rows = this.reshape(this.positions(q, qAxis), [-1, 1]);
      return this.one('Not', [this.one('Greater', [this.positions(k, kAxis), rows])]);
    };
    // equal names of extents are equal extents; nodes are lowered in graph order, so the first mask is before all
    return extents.includes(null) ? make() : this.once(`causal:${JSON.stringify(extents)}`, make);
  }

  /** A node of one output, made once for the same inputs: layers that read one mask share the values derived from it. */
  same(op: string, inputs: readonly Value[], attrs: Readonly<Record<string, Attr>> = {}): Value {
    return this.once(`${op}(${inputs.map(({ name }) => name).join(', ')})`, () =>
      this.one(op, inputs, attrs),
    );
  }

  /** A value that is made where it is first needed and shared by later nodes. */
  once(key: string, make: () => Value): Value {
    const held = this.#shared.get(key) ?? make();
    this.#shared.set(key, held);
    return held;
  }
}

/** Extents of a value; null when its rank is unknown. */
export function dimsOf({ type }: Value): readonly Dim[] | null {
  return type?.kind === 'tensor' ? type.shape : null;
}
