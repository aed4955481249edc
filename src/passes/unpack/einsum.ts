import { attrInts, attrText } from '../../ir/attr.js';
import type { GraphBuilder } from '../../ir/builder.js';
import type { Node, Value } from '../../ir/model.js';
import { elementCount } from '../../ir/shape.js';
import { i64Tensor } from '../../ir/tensor.js';
import { rankOf } from '../sites/origins.js';
import { type PartViews, readWhole, transposed } from './views.js';

/**
 * MatMul in place of an Einsum that multiplies by a stored tensor: `bsi,io->bso`, attention kernels such as
 * `abc,cde->abde` and `abcd,cde->abe`, and all others in which the letters of the tensor are those of a matrix, its rows
 * summed and its columns new. Transposes and Reshapes are around the product where the axes need them.
 */
export function unpackEinsum(b: GraphBuilder, node: Node, views: PartViews): readonly Value[] | null {
  const held = node.attrs.get('equation');
  if (held?.kind !== 'string' || node.inputs.length !== 2) return null;
  for (const product of asProducts(attrText(held.value))) {
    const made = write(b, node, product, views);
    if (made) return made;
  }
  return null;
}

/** An Einsum read as x W: letters of axes, and `...` for those without one. */
export interface EinsumProduct {
  /** which operand is W */
  readonly weight: 0 | 1;
  readonly kernel: readonly string[];
  readonly x: readonly string[];
  readonly result: readonly string[];
  /** axes of x that stay, in the order of the result */
  readonly rows: readonly string[];
  /** axes of W that are summed, in the order of x */
  readonly summed: readonly string[];
  /** axes of W that stay, in the order of the result */
  readonly made: readonly string[];
}

/** The readings of an equation as a product with a matrix; the second operand as the matrix comes first. */
export function asProducts(equation: string): readonly EinsumProduct[] {
  const [left = '', right, more] = equation.replaceAll(/\s/g, '').split('->');
  const operands = left.split(',').map(tokensOf);
  if (operands.length !== 2 || more !== undefined || operands.includes(null)) return [];
  const result = right === undefined ? implicitResult(operands.flatMap((own) => own!)) : tokensOf(right);
  if (!result) return [];
  return ([1, 0] as const).flatMap((weight) => {
    const [kernel, x] = [operands[weight]!, operands[1 - weight]!];
    const rows = result.filter((axis) => x.includes(axis) && !kernel.includes(axis));
    const made = result.filter((axis) => kernel.includes(axis) && !x.includes(axis));
    const summed = x.filter((axis) => kernel.includes(axis) && !result.includes(axis));
    const matrix = summed.length > 0 && made.length > 0 && !kernel.includes('...');
    const all =
      rows.length + made.length === result.length &&
      rows.length + summed.length === x.length &&
      summed.length + made.length === kernel.length;
    return matrix && all ? [{ weight, kernel, x, result, rows, summed, made }] : [];
  });
}

/** Letters and `...`, each once; null for anything else. */
function tokensOf(text: string): readonly string[] | null {
  const tokens: string[] = text.match(/\.\.\.|[A-Za-z]/g) ?? [];
  return tokens.join('') === text && new Set(tokens).size === tokens.length ? tokens : null;
}

/** Without `->` the result has the axes of `...`, and then the letters that occur once in the order of the alphabet. */
function implicitResult(tokens: readonly string[]): readonly string[] {
  const once = tokens.filter(
    (token) => tokens.indexOf(token) === tokens.lastIndexOf(token) && token !== '...',
  );
  return [...(tokens.includes('...') ? ['...'] : []), ...once.sort()];
}

function write(
  b: GraphBuilder,
  node: Node,
  product: EinsumProduct,
  views: PartViews,
): readonly Value[] | null {
  const x = node.inputs[1 - product.weight];
  const kernel = node.inputs[product.weight];
  const view = kernel ? views.of(kernel) : null;
  const { summed, made } = product;
  if (!x || !view || view.shown || view.layout.shape.length !== product.kernel.length) return null;
  if (readWhole(view)) return null;
  const order = [...summed, ...made].map((axis) => product.kernel.indexOf(axis));
  const matrix = transposed(view, order)!;
  const [inner, outer] = [
    matrix.layout.shape.slice(0, summed.length),
    matrix.layout.shape.slice(summed.length),
  ];
  const wide = widthOf(product, x);
  const expand = (axes: readonly string[]): string[] =>
    axes.flatMap((axis) =>
      axis === '...' && wide !== null ? Array.from({ length: wide }, (_, k) => `.${k}`) : [axis],
    );
  const [from, rows, to] = [product.x, product.rows, product.result].map(expand) as [
    string[],
    string[],
    string[],
  ];
  const moves = from.join() !== [...rows, ...summed].join() || to.join() !== [...rows, ...made].join();
  // axes that are not counted can neither change places nor be told from those that are grouped
  if (wide === null && (moves || summed.length > 1 || made.length > 1)) return null;

  const { name } = node.outputs[0]!;
  let value = permuted(b, x, from, [...rows, ...summed], `${name}/x`);
  if (summed.length > 1)
    value = grouped(b, value, [...rows.map(() => 0), elementCount(inner)], `${name}/rows`);
  const weight = views.matrix(b, matrix, summed.length);
  value = b.node('MatMul', [value, weight], {}, { name: node.name, outputs: [`${name}/product`] })[0]!;
  if (made.length > 1) value = grouped(b, value, [...rows.map(() => 0), ...outer], `${name}/axes`);
  return [permuted(b, value, [...rows, ...made], to, `${name}/ordered`)];
}

/** How many axes `...` represents: 0 where there is none, null where the rank of x is not known. */
function widthOf(product: EinsumProduct, x: Value): number | null {
  if (!product.x.includes('...')) return 0;
  const rank = rankOf(x);
  return rank === null ? null : rank - product.x.length + 1;
}

function permuted(
  b: GraphBuilder,
  value: Value,
  from: readonly string[],
  to: readonly string[],
  name: string,
): Value {
  if (from.join() === to.join()) return value;
  return b.one('Transpose', [value], { perm: attrInts(to.map((axis) => from.indexOf(axis))) }, name);
}

/** In another shape; 0 keeps an extent. */
function grouped(b: GraphBuilder, value: Value, shape: readonly number[], name: string): Value {
  return b.one('Reshape', [value, b.constant(i64Tensor([shape.length], shape), 'unpack/shape')], {}, name);
}
