import { attrInt, attrInts } from '../../ir/attr.js';
import type { GraphBuilder } from '../../ir/builder.js';
import { constantData } from '../../ir/constants.js';
import { type DType, dtypeFromOnnx, dtypeToOnnx, isFloat } from '../../ir/dtype.js';
import type { Model, Node, Value } from '../../ir/model.js';
import { attributes, axisOf } from '../../ir/ops/core/gradient.js';
import { stridesOf } from '../../ir/ops/core/nd.js';
import { weightStep } from '../../ir/ops/index.js';
import { sliceStatic } from '../../ir/ops/slice.js';
import { elementCount, staticShape } from '../../ir/shape.js';
import { isDense, type StridedLayout, StridedTensor } from '../../ir/strided-tensor.js';
import { isOverridable } from '../adapters/stored-weight.js';
import { knownIntegers } from '../infer-shapes.js';
import { weightInput } from '../sites/candidates.js';
import { pickedIndex, shows } from '../sites/origins.js';

/** A stored tensor of floats as a value shows it: all of it or a part, in some order of its elements. */
export interface PartView {
  readonly holder: Value;
  readonly layout: StridedLayout;
  /** another shape in which the elements are read in that order, where it has no strides of its own */
  readonly shown?: readonly number[];
  /** element types that it is cast to on the way, the first next to the storage */
  readonly casts: readonly DType[];
}

/** Answers which part of a stored tensor a value is, through slices, splits, reshapes and transposes. */
export class PartViews {
  readonly #made = new Map<Value, Map<string, Value>>();
  #ints: ReturnType<typeof knownIntegers> | null = null;

  /** Types must be inferred: the extents of slices and reshapes are read from them. */
  constructor(readonly model: Model) {}

  /** Null when a value is computed in any other way, when a caller may replace the tensor, and for types of less than a byte. */
  of(value: Value): PartView | null {
    const steps: Value[] = [];
    let at: Value = value;
    while (!constantData(at)) {
      const source: Value | null | undefined = at.producer?.inputs[0];
      if (!at.producer || !source || !shows(at.producer) || steps.length > 64) return null;
      steps.push(at);
      at = source;
    }
    const { dtype, shape, byteLength } = constantData(at)!;
    const count = elementCount(shape);
    if (!isFloat(dtype) || isOverridable(this.model, at) || count === 0 || byteLength % count !== 0)
      return null;
    let view: PartView = { holder: at, casts: [], layout: { shape, strides: stridesOf(shape), offset: 0 } };
    for (const step of steps.reverse()) {
      const next = this.#step(view, step);
      if (!next || next.layout.shape.includes(0)) return null;
      view = next;
    }
    return view;
  }

  #step(view: PartView, output: Value): PartView | null {
    const node = output.producer!;
    const { layout } = view;
    const kind = weightStep(node);
    if (view.shown && kind !== 'same' && kind !== 'cast') return null;
    switch (node.op) {
      case 'Identity':
        return view;
      case 'Cast': {
        const to = node.attrs.get('to');
        const dtype = to?.kind === 'int' ? dtypeFromOnnx(Number(to.value)) : null;
        return dtype && isFloat(dtype) ? { ...view, casts: [...view.casts, dtype] } : null;
      }
      case 'Transpose': {
        const rank = layout.shape.length;
        const perm = attributes(node, 'Transpose').perm?.map(Number);
        return transposed(view, perm ?? Array.from({ length: rank }, (_, k) => rank - 1 - k));
      }
      case 'Slice':
        return this.#slice(view, node);
      case 'Split':
        return split(view, node, output);
      case 'Gather':
        return picked(view, node);
      default: {
        const [from, to] = [node.inputs[0]?.type, output.type];
        const cast = from?.kind === 'tensor' && to?.kind === 'tensor' && from.dtype !== to.dtype;
        const shape = to?.kind === 'tensor' && !cast ? staticShape(to.shape) : null;
        return shape && reshaped(view, shape);
      }
    }
  }

  #slice(view: PartView, node: Node): PartView | null {
    const a = attributes(node, 'Slice');
    const given = (index: number, held: readonly (number | bigint)[] | null | undefined) =>
      node.inputs[index] ? staticShape(this.#known(node.inputs[index]!)) : (held?.map(Number) ?? undefined);
    const [starts, ends] = [given(1, a.starts), given(2, a.ends)];
    const [axes, steps] = [given(3, a.axes), given(4, undefined)];
    if (!starts || !ends || axes === null || steps === null) return null;
    const { shape, strides, offset } = view.layout;
    const [extents, jumps] = [[...shape], [...strides]];
    let at = offset;
    for (const [k, start] of starts.entries()) {
      const axis = axisOf(axes?.[k] ?? k, shape.length);
      const step = steps?.[k] ?? 1;
      if (shape[axis] === undefined || step === 0 || ends[k] === undefined) return null;
      const [from, count] = sliceStatic(shape[axis], start, ends[k], step);
      at += from * strides[axis]!;
      extents[axis] = count;
      jumps[axis] = step * strides[axis]!;
    }
    return { ...view, layout: { shape: extents, strides: jumps, offset: at } };
  }

  #known(value: Value) {
    this.#ints ??= knownIntegers(this.model.graph);
    return this.#ints(value);
  }

  /**
   * A stored matrix with the elements of a view, whose first `rows` axes are the rows and the others the columns, made
   * before the builder's place. One that is transposed in the file is stored so, with a Transpose after it. Equal views
   * of one tensor are one initializer.
   */
  matrix(b: GraphBuilder, view: PartView, rows = 1): Value {
    const { layout, shown, casts } = view;
    const axes = Array.from(layout.shape.keys());
    const turned = transposed(view, [...axes.slice(rows), ...axes.slice(0, rows)])!;
    const turns = !shown && !isDense(layout) && isDense(turned.layout);
    const { shape } = layout;
    const [height, width] = shown ?? [elementCount(shape.slice(0, rows)), elementCount(shape.slice(rows))];
    const stored = turns
      ? this.#stored(b, turned, [width!, height!])
      : this.#stored(b, view, [height!, width!]);
    const typed = casts.reduce(
      (value, dtype) => b.one('Cast', [value], { to: attrInt(dtypeToOnnx(dtype)) }, `${stored.name}/cast`),
      stored,
    );
    return turns ? b.one('Transpose', [typed], { perm: attrInts([1, 0]) }, `${stored.name}/turned`) : typed;
  }

  /** An initializer with the elements of a view, before its casts, in a shape: the tensor itself where it is that. */
  #stored(b: GraphBuilder, view: PartView, shape: readonly number[]): Value {
    const { holder, layout } = view;
    const data = constantData(holder)!;
    const count = elementCount(layout.shape);
    if (isDense(layout) && count === elementCount(data.shape) && data.shape.join() === shape.join())
      return holder;
    const known = this.#made.get(holder) ?? new Map<string, Value>();
    this.#made.set(holder, known);
    const key = [layout.shape, layout.strides, layout.offset, shape].join('|');
    const made = known.get(key) ?? b.constant(new StridedTensor(data, layout, shape), nameOf(view));
    known.set(key, made);
    return made;
  }
}

/** Axes in another order. */
export function transposed(view: PartView, perm: readonly number[]): PartView | null {
  const { shape, strides, offset } = view.layout;
  if (perm.length !== shape.length || perm.some((axis) => shape[axis] === undefined)) return null;
  const layout = { shape: perm.map((k) => shape[k]!), strides: perm.map((k) => strides[k]!), offset };
  return { ...view, layout };
}

/** The same elements in another shape; null when there are more or fewer. */
export function reshaped(view: PartView, shape: readonly number[]): PartView | null {
  const { layout } = view;
  if (elementCount(shape) !== elementCount(layout.shape)) return null;
  const strides = isDense(layout) ? stridesOf(shape) : regroup(layout, shape);
  return strides ? { ...view, layout: { shape, strides, offset: layout.offset } } : { ...view, shown: shape };
}

/** Strides of another shape over the same elements, by groups of axes that hold equally many; null when a group is not evenly spaced. */
function regroup({ shape, strides }: StridedLayout, wanted: readonly number[]): number[] | null {
  const result = new Array<number>(wanted.length).fill(1);
  let [from, to] = [0, 0];
  while (from < shape.length && to < wanted.length) {
    const [first, start] = [from, to];
    let [held, asked] = [shape[from++]!, wanted[to++]!];
    while (held !== asked) {
      if (held < asked) held *= shape[from++]!;
      else asked *= wanted[to++]!;
    }
    const axes = Array.from({ length: from - first }, (_, k) => first + k).filter((k) => shape[k] !== 1);
    for (const [k, axis] of axes.slice(1).entries()) {
      if (strides[axes[k]!] !== strides[axis]! * shape[axis]!) return null;
    }
    let stride = axes.length > 0 ? strides[axes.at(-1)!]! : 1;
    for (let k = to - 1; k >= start; k--) {
      result[k] = stride;
      stride *= wanted[k]!;
    }
  }
  return result;
}

/** One slice of an axis, which is gone. */
function picked(view: PartView, node: Node): PartView | null {
  const { shape, strides, offset } = view.layout;
  const axis = axisOf(Number(attributes(node, 'Gather').axis ?? 0), shape.length);
  const extent = shape[axis];
  const given = pickedIndex(node);
  if (extent === undefined || given === null || given < -extent || given >= extent) return null;
  const at = given < 0 ? given + extent : given;
  const layout = {
    shape: shape.toSpliced(axis, 1),
    strides: strides.toSpliced(axis, 1),
    offset: offset + at * strides[axis]!,
  };
  return { ...view, layout };
}

function split(view: PartView, node: Node, output: Value): PartView | null {
  const { shape, strides, offset } = view.layout;
  const axis = axisOf(Number(attributes(node, 'Split').axis ?? 0), shape.length);
  let from = 0;
  for (const part of node.outputs) {
    const extents = part.type?.kind === 'tensor' ? staticShape(part.type.shape) : null;
    const extent = extents?.[axis];
    if (extent === undefined) return null;
    if (part === output) {
      const layout = { shape: shape.with(axis, extent), strides, offset: offset + from * strides[axis]! };
      return { ...view, layout };
    }
    from += extent;
  }
  return null;
}

/** A name by which a module path is found where the tensor's own name gives one: `a.b.q` is the parameter of a layer `a.b.q`. */
function nameOf({ holder, layout }: PartView): string {
  const { name } = holder;
  const whole = elementCount(layout.shape) === elementCount(constantData(holder)!.shape);
  if (!whole) return `${name}_part`;
  return name.includes('.') && !/(?:weight|kernel|bias)(?:_\w+)?$/.test(name) ? `${name}.weight` : name;
}

/** Whether a view is a part of a tensor that some layer multiplies by as a whole: two adapters would pull at one weight. */
export function readWhole({ holder, layout }: PartView): boolean {
  if (elementCount(layout.shape) === elementCount(constantData(holder)!.shape)) return false;
  const seen = new Set<Value>([holder]);
  for (const value of seen) {
    for (const { node, index } of value.uses) {
      if (weightInput(node) === index) return true;
      if (weightStep(node)) seen.add(node.outputs[0]!);
    }
  }
  return false;
}
