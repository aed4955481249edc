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
  let [rounded, float32] = [0, 0];
  for (const node of [...graph.nodes]) {
    const found = productAt(node, own);
    if (!found) continue;
    if (!isRounded(node, found)) {
      float32++;
      continue;
    }
    rounded++;
    const b = new TrainBuilder(graph, 'int8', node);
    const held = rows.get(found.x) ?? roundRows(b, found.x);
    rows.set(found.x, held);
    rebuild(b, file, node, found, held);
    graph.erase(node);
  }
  if (rounded > 0 && !model.opsets.has('com.microsoft')) model.setOpset('com.microsoft', 1);
  return { rounded, float32 };
}

function productAt(node: Node, own: ReadonlySet<string>): Product | null {
  const [x, w] = node.inputs;
  if (!x || !w) return null;
  const stored = storedWeight(w);
  if (!stored || stored.holder.isInput || own.has(stored.holder.name) || stored.data.shape.length !== 2)
    return null;
  if (!isFloat(stored.data.dtype) || stored.via.some(({ op }) => op === 'DequantizeLinear')) return null;
  const plain = { x, weight: stored.data, turned: stored.transposed, alpha: 1, addend: null };
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

/** Whether kernels in 8 bits take the product and gain by it. */
function isRounded({ outputs }: Node, { x, weight }: Product): boolean {
  const { type } = outputs[0]!;
  const float32 =
    type?.kind === 'tensor' ? type.dtype === 'f32' : x.type?.kind === 'tensor' && x.type.dtype === 'f32';
  const [rows, columns] = weight.shape as readonly [number, number];
  return float32 && (shapeOf(x)?.length ?? 0) > 1 && rows * columns >= LEAST_NUMBERS;
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
