import { isFloat } from '../../../ir/dtype.js';
import type { Model, Node, Value } from '../../../ir/model.js';
import { attrsOf } from '../../../ir/ops/core/attrs.js';
import { shapeOf, tensorType } from '../../../ir/shape.js';
import { supersede } from '../../../ir/supersede.js';
import type { TensorData } from '../../../ir/tensor.js';
import { storedWeight } from '../../../passes/adapters/stored-weight.js';
import { TrainBuilder } from '../../../train/losses/builder.js';
import type { CodesFile } from './codes-file.js';
import { type RoundedRows, roundRows } from './rows.js';

/** Smaller matrices cost more to round for than they save, and stay. */
const LEAST_NUMBERS = 1024;

/** What became of the products of a graph with a stored matrix of the base. */
export interface RoundedProducts {
  readonly rounded: number;
  /** those that compute in float32 as before */
  readonly float32: number;
}

/** alpha x w + beta c with a stored w, which lies as [outer, inner] where `turned`. */
interface Product {
  readonly x: Value;
  readonly weight: TensorData;
  /** the stored value that holds it */
  readonly holder: Value;
  readonly turned: boolean;
  readonly alpha: number;
  readonly addend: { readonly value: Value; readonly beta: number } | null;
}

/**
 * Replaces the products of a graph with frozen matrices of the base by products in 8 bits: what they read is rounded row by row
 * when the graph runs, the matrix column by column when it is written. `own` names what is not of the base (factors).
 * Types must be inferred. Products of factors, of attention and within branches stay as they are.
 */
export function roundProducts(model: Model, file: CodesFile, own: ReadonlySet<string>): RoundedProducts {
  const { graph } = model;
  const rows = new Map<Value, RoundedRows>();
  const products = frozenProducts(model, own);
  const rounded = products.filter(({ why }) => why === null);
  for (const { node, product } of rounded) {
    const b = new TrainBuilder(graph, 'int8', node);
    const held = rows.get(product.x) ?? roundRows(b, product.x);
    rows.set(product.x, held);
    rebuild(b, file, node, product, held);
    graph.erase(node);
  }
  if (rounded.length > 0 && !model.opsets.has('com.microsoft')) model.setOpset('com.microsoft', 1);
  return { rounded: rounded.length, float32: products.length - rounded.length };
}

/** A product of the main graph with a frozen matrix of the base, and why it is not rounded; null: it is. */
export interface FrozenProduct {
  readonly node: Node;
  readonly product: Product;
  readonly why: string | null;
}

/** All of them, in node order. Types must be inferred. */
export function frozenProducts({ graph }: Model, own: ReadonlySet<string>): readonly FrozenProduct[] {
  return [...graph.nodes].flatMap((node) => {
    const product = productAt(node, own);
    return product ? [{ node, product, why: reasonAgainst(node, product) }] : [];
  });
}

function productAt(node: Node, own: ReadonlySet<string>): Product | null {
  const [x, w] = node.inputs;
  if (!x || !w) return null;
  const stored = storedWeight(w);
  if (!stored || stored.holder.isInput || own.has(stored.holder.name) || stored.data.shape.length !== 2)
    return null;
  if (!isFloat(stored.data.dtype) || stored.via.some(({ op }) => op === 'DequantizeLinear')) return null;
  const { data, holder } = stored;
  const plain = { x, weight: data, holder, turned: stored.transposed, alpha: 1, addend: null };
  if (node.is('MatMul')) return plain;
  if (!node.is('Gemm')) return null;
  const { transA, transB, alpha, beta } = attrsOf(node);
  if (transA) return null;
  const c = node.inputs[2];
  return {
    ...plain,
    alpha,
    turned: stored.transposed !== Boolean(transB),
    addend: c ? { value: c, beta } : null,
  };
}

/** Why kernels in 8 bits do not take the product, or gain nothing by it. */
function reasonAgainst({ outputs }: Node, { x, weight }: Product): string | null {
  const type = outputs[0]!.type ?? x.type;
  if (type?.kind !== 'tensor' || type.dtype !== 'f32') {
    const dtype = type?.kind === 'tensor' ? type.dtype : 'a type that is not known';
    return `the product computes in ${dtype}`;
  }
  if ((shapeOf(x)?.length ?? 0) < 2) return 'what it multiplies is not known to be a matrix';
  return isWorthRounding(weight.shape) ? null : `it has fewer than ${LEAST_NUMBERS} numbers`;
}

/** Whether a matrix is large enough. */
export function isWorthRounding([rows, columns]: readonly number[]): boolean {
  return rows! * columns! >= LEAST_NUMBERS;
}

function rebuild(
  b: TrainBuilder,
  file: CodesFile,
  node: Node,
  { weight, turned, alpha, addend }: Product,
  { codes, step, zero, size }: RoundedRows,
): void {
  const { graph } = b;
  const stored = file.add(weight, turned);
  const constant = (name: string, data: TensorData): Value =>
    graph.own(name) ?? graph.addInitializer(name, data);
  const { origin } = stored.codes;
  const at = origin.kind === 'file' ? origin.offset : 0;
  const inputs = [
    codes,
    constant(`int8/${at}`, stored.codes),
    alpha === 1 ? step : b.one('Mul', [step, b.f32(alpha)]),
    constant(`int8/${at}/scales`, stored.scales),
    zero,
  ];
  const even = b.node('MatMulIntegerToFloat', inputs, {}, { domain: 'com.microsoft' })[0]!;
  const output = node.outputs[0]!;
  even.setType(output.type ?? tensorType('f32', null), true);
  let y = b.one('Mul', [even, size]);
  if (addend) {
    const { value, beta } = addend;
    y = b.one('Add', [y, beta === 1 ? value : b.one('Mul', [value, b.f32(beta)])]);
  }
  supersede(output, y);
}
