import type { Attr } from '../../attr.js';
import type { Diagnostic } from '../../diagnostics.js';
import type { Graph, Node, OpName, Value } from '../../model.js';
import type { ValueType } from '../../shape.js';
import type { TensorData } from '../../tensor.js';
import type { OpMap } from '../generated/op-map.js';
import type { SessionEntries } from './session-entries.js';

/** Typed attributes of an op of the schema table, defaults filled in; a plain map for any other op. */
export type AttrsOf<Op extends string> = Op extends keyof OpMap
  ? OpMap[Op] extends { attrs: infer A }
    ? A
    : never
  : ReadonlyMap<string, Attr>;

/** A dense float64 array in row-major order: the type that reference implementations use. Integers and booleans too. */
export interface NdArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** What a shape rule may read about a node's inputs. */
export interface InferContext {
  /** version of the operator set of the node's domain in its model or function */
  readonly opset: number;
  /** the node's attributes where they differ from `node.attrs`: references of a function body, resolved */
  readonly attrs?: ReadonlyMap<string, Attr>;
  /** type of input `index`; null when absent or unknown */
  type(index: number): ValueType | null;
  /**
   * The integer contents of input `index` when known, one entry per element in row-major order: numbers, symbolic
   * dimensions or null for an unknown element. This is how `Shape -> Gather -> Concat -> Reshape` keeps its meaning.
   */
  ints(index: number): readonly (number | string | null)[] | null;
  /** the data of input `index` when it is a constant (initializer or Constant node) */
  constant(index: number): TensorData | null;
  /** types of the outputs of a subgraph attribute after inference with these input types */
  subgraph(attr: string, inputs: readonly (ValueType | null)[]): readonly (ValueType | null)[] | null;
}

/** The result of a shape rule: a type per output (null: unknown), and known integer contents of outputs. */
export interface Inferred {
  readonly types: readonly (ValueType | null)[];
  readonly ints?: readonly (readonly (number | string | null)[] | null)[];
}

/** Makes nodes at one place of a graph. */
export interface Builder {
  readonly graph: Graph;
  /** Version of the standard operator set that the nodes must be legal in. */
  readonly opset: number;
  /** Makes a node with `outputs` outputs (default 1) and fresh names; returns the outputs. */
  node(
    op: string,
    inputs: readonly (Value | null)[],
    attrs?: Readonly<Record<string, Attr>>,
    options?: {
      readonly domain?: string;
      readonly name?: string;
      readonly outputs?: number | readonly string[];
    },
  ): Value[];
  /** An initializer with that data. */
  constant(data: TensorData, hint?: string): Value;
}

/**
 * What a gradient rule builds with. The contract: the gradient of a value has exactly the value's shape and type.
 * For ops with the trait `elementwise` a rule returns gradients in the shape of the output and the engine sums them
 * to each input; every other rule returns the input's own shape (`sumTo` helps).
 */
export interface GradBuilder extends Builder {
  /** whether anything needs the gradient of input `index`; rules return null for the others */
  wants(index: number): boolean;
  one(
    op: string,
    inputs: readonly (Value | null)[],
    attrs?: Readonly<Record<string, Attr>>,
    name?: string,
  ): Value;
  add(a: Value, b: Value): Value;
  sub(a: Value, b: Value): Value;
  mul(a: Value, b: Value): Value;
  div(a: Value, b: Value): Value;
  neg(a: Value): Value;
  /** what `make` makes, once for each key in all rules */
  once(key: string, make: () => Value): Value;
  /** a constant of rank 0 with the element type of `like` */
  scalar(value: number, like: Value): Value;
  /** whether a value is float16 or bfloat16 */
  isHalf(value: Value): boolean;
  /** a constant int64 of rank 0 */
  index(value: number): Value;
  /** ONNX enum number of a value's element type; refuses when it is unknown */
  onnxType(value: Value): number;
  /** a constant int64 vector */
  ints(values: readonly number[]): Value;
  /** rank of a value; throws a refusal when it is unknown */
  rank(value: Value): number;
  /** static shape entries where known; throws a refusal when the rank is unknown */
  dims(value: Value): readonly (number | string | null)[];
  /**
   * The contents of an integer tensor of the forward graph as far as they follow from constants and static extents, also
   * through what the graph computes of them: numbers, and names or null for what only a run knows. Null: nothing is known.
   */
  contents(value: Value): readonly (number | string | null)[] | null;
  /** int64 vector: a constant when the shape is static, else a Shape node */
  shapeOf(value: Value): Value;
  /** gives `x` the shape of `like`; both have the same number of elements */
  reshapeLike(x: Value, like: Value): Value;
  reshape(x: Value, shape: Value): Value;
  transpose(x: Value, perm: readonly number[]): Value;
  /** swaps the last two axes */
  transposeLast(x: Value): Value;
  /** sum over axes, in the form of the opset */
  reduceSum(x: Value, axes: readonly number[], keep: boolean): Value;
  reduceMean(x: Value, axes: readonly number[], keep: boolean): Value;
  /** sums `g`, which has the shape of `from`, over the axes along which `to` was broadcast to it */
  sumTo(g: Value, from: Value, to: Value): Value;
  /** stops the differentiation with a reason */
  refuse(because: string): never;
}

/** A rule or a gradient that declines, with the reason and the culprit; shown to the user. */
export interface Refusal {
  readonly because: string;
  readonly at?: Node | Value;
  /** the node continues a cache of past keys and values, which depends on the whole model */
  readonly cache?: true;
}

/**
 * An op that treats every index of an output axis alike and apart from the others: the rows of a matrix product, the
 * lines of a softmax. Then one index of the output needs one index of each input that goes along.
 */
export interface Slices {
  /** for each input the axis that goes along; null where every index of the output reads the input as it is */
  readonly axes: readonly (number | null)[];
  /** the op for inputs of extent 1 along those axes, where the same op with the same attributes would not do */
  one?(b: Builder, inputs: readonly (Value | null)[]): Value;
}

/** How an op multiplies x by a weight that models store. */
export interface LinearFacts {
  /** the input that holds the weight */
  readonly weight: number;
  /** the input that is added to the product */
  readonly bias?: number;
  /** inputs that hold other weights */
  readonly more?: readonly number[];
  /** a matrix product (`alpha`, `transA` and `transB` say more where the op has them) or a convolution; else a way of its own */
  readonly form?: 'product' | 'window';
  /** attributes that give in and out where the weight's own shape does not */
  readonly extents?: readonly [inn: string, out: string];
  /** why no adapter can be parallel to it, completes "FusedGemm ..." */
  readonly keeps?: string;
  /** what it is when it is not a linear layer, completes "it ..." */
  readonly does?: string;
}

/**
 * What an op does to a weight on its way from where it is stored to the layer that reads it: nothing, another element
 * type, another order of axes, or floats made of integers.
 */
export type WeightStep = 'same' | 'cast' | 'transpose' | 'dequantise';

/** An input that models store a weight in, of an op that is not a linear layer. */
interface ParameterFacts {
  readonly input: number;
  /** the rank that the weight must have */
  readonly rank?: number;
  /** completes "it ..." */
  readonly does: string;
}

/**
 * Everything about one op, in one object, in one file. Shared code never branches on an op's name: it asks this table.
 * `infer` returns a diagnostic when the inputs cannot be right (ranks, extents that contradict each other).
 */
export interface OpDef<Op extends string = string> {
  readonly name: Op;
  /** '' for the standard operators */
  readonly domain?: string;
  /** first version of the operator set with these semantics */
  readonly since: number;
  /** last version with these semantics */
  readonly until?: number;
  /** pure: same inputs, same outputs, no effect; the others say what passes may do with the op */
  readonly traits?: readonly ('pure' | 'elementwise' | 'commutative' | 'linear')[];
  /** the output does not depend differentiably on any input (Shape, comparisons, rounding): gradients end here */
  readonly stopsGradient?: boolean;
  /**
   * Outputs that represent an input up to rounding (quantisation): gradients pass through these as if nothing were rounded
   * (the straight-through estimator), although they are integers, and through no other output of the op.
   */
  readonly straightThrough?: readonly number[];
  /** The gradient rule also holds for integers that represent rounded numbers; their gradient is floating point. */
  readonly throughIntegers?: boolean;
  infer(node: Node<Op>, ctx: InferContext): Inferred | Diagnostic;
  /** Gradient per input (null: none) from the gradients of the outputs (null: not on the path), or why there is none. */
  vjp?(
    b: GradBuilder,
    node: Node<NoInfer<Op>>,
    grads: readonly (Value | null)[],
  ): readonly (Value | null)[] | Refusal;
  /** The outputs whose gradients the rule reads; default: the first. One that reaches another output is refused. */
  readonly gradientsOf?: 'all' | readonly number[];
  /** How the op acts along one axis of its first output, when it handles each index of that axis by itself; else null. */
  slices?(node: Node<Op>, axis: number): Slices | null;
  /**
   * Entries of ONNX Runtime's session configuration without which its optimiser puts a coarser kernel in the op's place:
   * gradients would not be those of the function that is computed.
   */
  readonly session?: SessionEntries;
  /** Arithmetic operations and bytes moved, in terms of the dimensions of the inputs and outputs. */
  cost?(node: Node<Op>): { readonly flops: DimExpr; readonly bytes: DimExpr };
  /** The outputs in float64, after the text of the specification. */
  value?(node: Node<Op>, inputs: readonly (NdArray | null)[]): readonly NdArray[];
  /**
   * The outputs hold elements of the first input and nothing else, as they are or in another type: all of them in the
   * same order, in another order, several times, or a part of them.
   */
  readonly elements?: 'kept' | 'reordered' | 'repeated' | 'part';
  readonly linear?: LinearFacts;
  /** The op may lie between a stored weight, its first input, and the layer that reads it. */
  readonly weightStep?: WeightStep;
  /**
   * A constant that as the second operand (of a commutative op as either) leaves the other as it is, for every value,
   * NaN and -0 included.
   */
  readonly neutral?: number;
  /** How the op runs its subgraphs: one of them once, one for every element of an axis, or one until a condition fails. */
  readonly runs?: 'branch' | 'scan' | 'loop';
  readonly parameter?: ParameterFacts;
  /** Inputs of indices, each with the table whose rows it reads along `axis` (default 0). */
  readonly lookups?: readonly { readonly indices: number; readonly table: number }[];
  /** The results are drawn at random in every run. */
  readonly random?: true;
  /** Examples, at least one for each op with a value or a gradient. */
  readonly cases?: readonly OpCase[];
}

/**
 * An example of an op: plain data, from which the tests of types, values and gradients are made. An input is written as
 * in ONNX text: `float[2,3]` is filled with noise, `float[2,3] > 0` with numbers away from zero, `int64[2] {0, -1}` has
 * these elements; '' is left out, and `const` makes it a constant of the model.
 */
export interface OpCase {
  readonly inputs: readonly string[];
  readonly attrs?: Readonly<Record<string, number | string | readonly number[]>>;
  /** version of the standard operator set; default 21, or that in which the op came if it is newer */
  readonly opset?: number;
  /** how many outputs the node delivers; default 1 */
  readonly outputs?: number;
  /** the outputs whose gradients are checked; default: all; none: the example is about the value only */
  readonly gradient?: readonly number[];
  /** largest error against ONNX Runtime, which computes some ops more coarsely; default 1e-5 */
  readonly tolerance?: number;
}

/** What holds for an op in every version of its operator set. */
type OpFacts = Omit<OpDef, 'name' | 'domain' | 'since' | 'until' | 'traits' | 'infer' | 'value'>;

/** Declares an op: its definition, or one for each range of versions, and what holds for all of them. */
export function op<const Op extends string>(def: OpDef<Op>, facts?: OpFacts): OpDef<Op>;

export function op<const Op extends string>(defs: readonly OpDef<Op>[], facts: OpFacts): OpDef<Op>[];

export function op(defs: OpDef | readonly OpDef[], facts: OpFacts = {}): OpDef | OpDef[] {
  return 'name' in defs ? { ...defs, ...facts } : defs.map((def) => ({ ...def, ...facts }));
}

/** An extent or a count that may depend on symbolic dimensions. */
export type DimExpr =
  | { readonly op: 'const'; readonly value: number }
  | { readonly op: 'dim'; readonly name: string }
  | { readonly op: 'add' | 'mul'; readonly args: readonly DimExpr[] };

export type { OpName };
