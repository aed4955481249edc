import { attrInt } from '../../attr.js';
import type { Node, Value } from '../../model.js';
import { f32Tensor } from '../../tensor.js';
import type { GradBuilder } from '../define.js';
import { BNB4_TABLES } from '../families/bnb4.js';
import { runTimeShape } from './late.js';
import { gemm } from './matmul.js';
import { fields } from './nbits.js';
import { slice } from './shape.js';
import { attributes, input, type Vjp } from './vjp.js';

/** MatMulBnb4: y = x W^T with W [N, K] as 4-bit codes of a table and a scale per block: dx = dy W, with W unpacked when dy is there. */
export const matMulBnb4Vjp: Vjp = (b, node, [dy]) => {
  const { K, N, quant_type, transB } = attributes(node, 'com.microsoft::MatMulBnb4');
  const x = input(node, 0);
  const table = BNB4_TABLES[quant_type];
  if (!table) return { because: `its table (quant_type ${quant_type}) is unknown`, at: node };
  if (!transB) return { because: 'its weight is stored untransposed', at: node };
  if (b.wants(1) || b.wants(2)) return { because: 'its packed weight depends on what is trained', at: node };
  const flat = b.rank(x) === 2 ? dy! : b.reshape(dy!, b.ints([-1, N]));
  const dx = gemm(b, flat, unpackedBnb4(b, node, table, dy!, K * N, [N, K]), 0, 0, 1, x);
  return [b.rank(x) === 2 ? dx : b.reshapeLike(dx, x), null, null];
};

/** table[code] * scale of its block as [N, K], in the element type of x. Codes and blocks run through the rows. */
function unpackedBnb4(
  b: GradBuilder,
  node: Node,
  table: readonly number[],
  dy: Value,
  count: number,
  shape: readonly number[],
): Value {
  const { block_size: size } = attributes(node, 'com.microsoft::MatMulBnb4');
  const blocks = Math.ceil(count / size);
  const first = (value: Value, held: number) =>
    held === count ? value : slice(b, value, b.ints([0]), b.ints([count]), 0);
  const bytes = Math.ceil(count / 2);
  const late = b.reshape(input(node, 1), runTimeShape(b, dy, [1, bytes]));
  const codes = b.one('Cast', [b.reshape(fields(b, late, 4, true), b.ints([-1]))], { to: attrInt(7) });
  const values = b.one('Gather', [b.constant(f32Tensor([16], table), 'grad/table'), first(codes, 2 * bytes)]);
  const column = b.reshape(b.one('Cast', [input(node, 2)], { to: attrInt(1) }), b.ints([blocks, 1]));
  const wide = b.reshape(b.one('Expand', [column, b.ints([blocks, size])]), b.ints([-1]));
  const w = b.reshape(b.mul(values, first(wide, blocks * size)), b.ints(shape));
  const x = input(node, 0);
  return b.isHalf(x) ? b.one('Cast', [w], { to: attrInt(b.onnxType(x)) }) : w;
}
