import { shapeContradiction } from '../../codes/shapes.js';
import { type Diagnostic, fail, LotrcError } from '../../diagnostics.js';
import type { DType } from '../../dtype.js';
import { type Node, nodePath, type OpName } from '../../model.js';
import {
  type Dim,
  type Shape,
  shapeText,
  staticShape,
  type TensorType,
  tensorType,
  type ValueType,
} from '../../shape.js';
import { attrsOf } from './attrs.js';
import type { AttrsOf, DimExpr, InferContext, Inferred, NdArray, OpDef } from './define.js';
import { broadcastShapes, type Ints, sameExtent } from './dims.js';

/** What shape rules share. Rules speak of a contradiction by `refuse`; `rule` turns that into the diagnostic. */

type Rule<Op extends string> = (node: Node<Op>, ctx: InferContext) => Inferred;

/** Makes the `infer` of an op: a thrown diagnostic becomes the result. */
export function rule<Op extends string>(body: Rule<Op>): OpDef<Op>['infer'] {
  return (node, ctx): Inferred | Diagnostic => {
    try {
      return body(node, ctx);
    } catch (error) {
      if (error instanceof LotrcError) return error.diagnostics[0]!;
      throw error;
    }
  };
}

/** Ends a rule: the inputs cannot be right. */
export function refuse(node: Node, why: string, input?: number): never {
  fail(shapeContradiction({ path: nodePath(node), op: node.op, input, why }));
}

/** Typed attributes for a rule. */
export function attrs<Op extends OpName>(node: Node<Op>, ctx: InferContext): AttrsOf<Op> {
  return attrsOf(node, ctx);
}

/** The tensor type of an input; null when it is absent, unknown or no tensor. */
export function tensorAt(ctx: InferContext, index: number): TensorType | null {
  const type = ctx.type(index);
  return type?.kind === 'tensor' ? type : null;
}

export function typeOf(dtype: DType | null | undefined, shape: Shape | null): ValueType | null {
  return dtype ? tensorType(dtype, shape) : null;
}

/** One output: its dtype and shape (null: unknown). A null dtype leaves the whole type unknown. */
export function one(dtype: DType | null | undefined, shape: Shape | null, ints?: Ints | null): Inferred {
  return { types: [typeOf(dtype, shape)], ...(ints ? { ints: [ints] } : {}) };
}

/** One output of that type, but for what a file says of the input alone. */
export function sameAs(type: TensorType | null, ints?: Ints | null): Inferred {
  if (!type || type.proto) return one(type?.dtype, type?.shape ?? null, ints);
  return ints ? { types: [type], ints: [ints] } : { types: [type] };
}

/** The `infer` of an op whose result has type and shape of its first input. */
export function likeFirst<Op extends string>(): OpDef<Op>['infer'] {
  return rule((_, ctx) => sameAs(tensorAt(ctx, 0)));
}

/** A shape of that rank of which nothing is known. */
export function unknownDims(rank: number): Shape {
  return new Array<Dim>(rank).fill(null);
}

/** More dimensions than this are not followed: only a hostile file states them. */
const MAX_RANK = 64;

/** As {@link unknownDims} for a rank that a file or a symbolic extent states; null when it is not a plausible rank. */
export function ofRank(rank: Dim | undefined): Shape | null {
  return typeof rank === 'number' && rank >= 0 && rank <= MAX_RANK ? unknownDims(rank) : null;
}

/** Broadcast of input shapes; null when one is unknown. */
export function broadcastInputs(node: Node, shapes: readonly (Shape | null | undefined)[]): Shape | null {
  const [a, b] = shapes;
  // a scalar, as in most nodes that read a constant
  if (shapes.length === 2 && a && b?.length === 0) return a;
  const known = shapes.filter((shape): shape is Shape => shape !== null && shape !== undefined);
  const result = broadcastShapes(known);
  if (!result) refuse(node, `shapes ${known.map(shapeText).join(' and ')} do not broadcast`);
  return known.length === shapes.length ? result : null;
}

/** A non-negative axis; refuses one outside [-rank, rank). */
export function axisIn(node: Node, axis: number, rank: number, what = 'axis'): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank)
    refuse(node, `${what} ${axis} is outside rank ${rank}`);
  return axis < 0 ? axis + rank : axis;
}

/** Refuses extents that are certainly different. */
export function mustAgree(node: Node, a: Dim | undefined, b: Dim | undefined, what: string): void {
  if (typeof a === 'number' && typeof b === 'number' && a !== b)
    refuse(node, `${what}: ${a} and ${b} differ`);
}

/** Refuses a rank outside [fewest, most]. */
export function rankIn(
  node: Node,
  shape: Shape | null | undefined,
  fewest: number,
  most: number,
  what: string,
): void {
  if (shape && (shape.length < fewest || shape.length > most)) {
    refuse(
      node,
      `${what} of shape ${shapeText(shape)} must have rank ${fewest === most ? fewest : `${fewest} to ${most}`}`,
    );
  }
}

/** Input `index` as plain numbers, when all are known. */
export function numbersAt(ctx: InferContext, index: number): readonly number[] | null {
  return staticShape(ctx.ints(index));
}

/** Extents that agree are kept, others become unknown: the type of a value that is one or the other. */
export function joinTypes(a: ValueType | null, b: ValueType | null): ValueType | null {
  if (a?.kind !== 'tensor' || b?.kind !== 'tensor' || a.dtype !== b.dtype) return null;
  if (!a.shape || !b.shape || a.shape.length !== b.shape.length) return tensorType(a.dtype, null);
  return tensorType(
    a.dtype,
    a.shape.map((dim, k) => (sameExtent(dim, b.shape![k]!) ? dim : null)),
  );
}

// ── for evaluate ────────────────────────────────────────────────────────────

/** Input `index` of a reference implementation. Throws when it is absent. */
export function need(inputs: readonly (NdArray | null)[], index: number): NdArray {
  const value = inputs[index];
  if (!value) throw new Error(`input ${index} is missing`);
  return value;
}

export function dtypeAt(node: Node, index: number): DType | null {
  const type = node.inputs[index]?.type;
  return type?.kind === 'tensor' ? type.dtype : null;
}

// ── for cost ────────────────────────────────────────────────────────────────

/** An extent in a cost formula; an unknown one is called `?`. */
export function dimExpr(dim: Dim | undefined): DimExpr {
  return typeof dim === 'number' ? { op: 'const', value: dim } : { op: 'dim', name: dim ?? '?' };
}

export function dimProduct(...args: readonly (DimExpr | number)[]): DimExpr {
  return {
    op: 'mul',
    args: args.map((arg) => (typeof arg === 'number' ? { op: 'const', value: arg } : arg)),
  };
}

export function sum(...args: readonly DimExpr[]): DimExpr {
  return { op: 'add', args };
}

export function shapeAt(node: Node, index: number): Shape | null {
  const type = node.inputs[index]?.type;
  return type?.kind === 'tensor' ? type.shape : null;
}
