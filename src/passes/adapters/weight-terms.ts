import { usualExtent } from '../../adapter/contraction.js';
import type { DeltaTerm, Term } from '../../adapter/terms.js';
import { emitTerm, type NodeMaker } from '../../adapter/to-onnx/weight-space.js';
import { attrInt, type HeldAttr } from '../../ir/attr.js';
import type { GraphBuilder } from '../../ir/builder.js';
import { noPlainForm } from '../../ir/codes/adapters.js';
import { fail } from '../../ir/diagnostics.js';
import { type DType, dtypeToOnnx } from '../../ir/dtype.js';
import type { Model, Node, Value } from '../../ir/model.js';
import { f32Tensor, i64Tensor } from '../../ir/tensor.js';
import { deltaOf } from './adapted-node.js';
import { addStored } from './stored-weight.js';

/** Values in weight space that adapted layers are written with: terms over their factors, in the main graph, equal ones once. */

/** Makes a value once for equal keys. */
export type Once = (key: readonly (Value | string | number)[], make: () => Value) => Value;

/** How a layer's new values are called. */
export interface Label {
  /** `lotr/<site>` */
  readonly prefix: string;
  /** names of the factors: R, M, L */
  readonly factors: readonly string[];
}

/** What both forms need of a layer. */
export interface Layer {
  /** makes nodes at the place of the layer */
  readonly b: GraphBuilder;
  /** makes weight-space nodes in the main graph */
  readonly weights: GraphBuilder;
  readonly node: Node;
  readonly model: Model;
  readonly term: DeltaTerm;
  /** null of a matrix in a stack: its adapter is added to the matrix */
  readonly x: Value | null;
  readonly factors: readonly Value[];
  /** of `column-norm`: the lengths of the columns */
  readonly lengths: Value | null;
  /** in and out, where they do not follow from the factors */
  readonly shape: { readonly in: number; readonly out: number } | null;
  readonly scale: number;
  /** element type of the layer */
  readonly compute: DType;
  readonly label: Label;
  readonly once: Once;
  /** is told of s D as a matrix in float32, where it is made */
  readonly changed: ((change: Value) => void) | null;
  /** how the layer slides over x, when it is a convolution */
  readonly conv: {
    readonly filters: readonly number[];
    readonly attrs: Readonly<Record<string, HeldAttr>>;
  } | null;
}

/** Makes weight-space nodes, equal ones once. */
export function nodesOf({ model, node, weights, once }: Layer): NodeMaker {
  const { opset } = weights;
  return {
    opset,
    node: (op, inputs, attrs, name) => {
      if (op === 'Einsum' && opset < EINSUM_OPSET)
        fail(noPlainForm({ node: node.name, delta: deltaOf(node), opset }));
      const text = Object.entries(attrs).map(
        ([key, attr]) => `${key}=${'value' in attr ? String(attr.value) : ''}`,
      );
      return once([op, text.join(), ...inputs], () => weights.one(op, inputs, attrs, name));
    },
    integers: (values) =>
      once(['integers', values.join()], () =>
        addStored(model, model.graph.names.freshValue('lotr/axes'), i64Tensor([values.length], values)),
      ),
  };
}

/** The operator set that has Einsum. */
const EINSUM_OPSET = 12;

/** Extents by which orders are priced: those of the factors, or usual ones where these are symbolic. */
export function extentsOf({ term, factors }: Pick<Layer, 'term' | 'factors'>): (letter: string) => number {
  const extents = new Map<string, number>();
  for (const [k, letters] of term.operands.entries()) {
    const { constant, type } = factors[k]!;
    const shape = constant?.shape ?? (type?.kind === 'tensor' ? type.shape : null);
    for (const [axis, letter] of letters.entries()) {
      const dim = shape?.[axis];
      if (typeof dim === 'number') extents.set(letter, dim);
    }
  }
  const usual = usualExtent(term);
  return (letter) => extents.get(letter) ?? usual(letter);
}

/** A term over some of the factors, scaled, in float32. The result is a matrix of the letters before those of the outputs, and of these. */
export function scaledTerm(
  layer: Layer,
  term: Term,
  operands: readonly number[],
  scale: number,
  repeats: 'as one' | 'written out',
): { readonly value: Value; readonly letters: string } {
  const { factors, label } = layer;
  const lettersOf = (own: readonly number[]) => own.map((k) => label.factors[operands[k]!]!).join('');
  const values = operands.map((k) => factors[k]!);
  const product = emitTerm(
    nodesOf(layer),
    term,
    values,
    extentsOf(layer),
    (own) => `${label.prefix}/${lettersOf(own)}`,
  );
  const letters = lettersOf(operands.map((_, k) => k));
  const matrix = asMatrix(layer, product, term, `${label.prefix}/${letters}`, repeats);
  return { value: scaled(layer, matrix, letters, scale), letters };
}

/**
 * A value with an axis for each letter of the result as a matrix: axes that are split become one, and values are repeated along
 * letters that no factor has, unless an axis of extent 1 does as well.
 */
function asMatrix(
  layer: Layer,
  value: Value,
  { operands, result }: Term,
  name: string,
  repeats: 'as one' | 'written out',
): Value {
  const { shape, term } = layer;
  if (!shape) return value;
  const make = nodesOf(layer);
  const rows = result.slice(0, result.length - term.out.length);
  const held = operands.flat();
  const absent = result.filter((letter) => !held.includes(letter));
  const splits = rows.length > 1 || term.out.length > 1;
  const extent = extentsOf(layer);
  const partOf = (letter: string): number => {
    const [axis, whole] = term.in.includes(letter) ? [term.in, shape.in] : [term.out, shape.out];
    return axis.reduce((rest, other) => (other === letter ? rest : rest / extent(other)), whole);
  };
  let made = value;
  if (absent.length > 0 && (splits || repeats === 'written out')) {
    const wide = result.map((letter) => (absent.includes(letter) ? partOf(letter) : 1));
    made = make.node('Expand', [made, make.integers(wide)], {}, `${name}/repeated`);
  }
  if (!splits) return made;
  const first = rows.join() === term.in.join() ? shape.in : 0;
  return make.node('Reshape', [made, make.integers([first, shape.out])], {}, `${name}/matrix`);
}

/** s V for a weight-space value V; the scale is a float32 constant of rank 0, one per value. */
export function scaled(layer: Layer, value: Value, letters: string, scale: number): Value {
  const { weights, label, once } = layer;
  const factor = numberOf(layer, scale);
  return once(['scaled', scale, value], () =>
    weights.one('Mul', [value, factor], {}, `${label.prefix}/s${letters}`),
  );
}

/** A weight-space value in the layer's type. `name`: last part of the new name, for values that belong to the site. */
export function cast({ weights, compute, label, once }: Layer, value: Value, name?: string): Value {
  if (compute === 'f32') return value;
  const hint = name ? `${label.prefix}/${name}` : value.name;
  return once(['cast', value, compute], () =>
    weights.one('Cast', [value], { to: attrInt(dtypeToOnnx(compute)) }, `${hint}/${compute}`),
  );
}

/** A number that weight-space nodes read, stored once. */
export function numberOf({ model, once }: Pick<Layer, 'model' | 'once'>, value: number): Value {
  return once(['scale', value], () =>
    addStored(model, model.graph.names.freshValue('lotr/scale'), f32Tensor([], [value])),
  );
}
