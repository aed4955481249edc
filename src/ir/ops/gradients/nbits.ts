import { attrInt } from '../../attr.js';
import type { Node, Value } from '../../model.js';
import { f32Tensor } from '../../tensor.js';
import type { GradBuilder } from '../define.js';
import { runTimeShape } from './late.js';
import { gemm } from './matmul.js';
import { slice } from './shape.js';
import { attributes, input, type Vjp } from './vjp.js';

/**
 * MatMulNBits: y = x W^T (+ c) with W [N, K] packed in 4 or 8 bits: dx = dy W, with W unpacked when dy is there; dc = sum dy.
 * The packed weight, its scales and zero points are frozen.
 */
export const matMulNBitsVjp: Vjp = (b, node, [dy]) => {
  const { K, N, bits } = attributes(node, 'com.microsoft::MatMulNBits');
  const [x, bias] = [input(node, 0), node.inputs[5] ?? null];
  if (node.inputs[4]) return { because: 'its columns are reordered by g_idx', at: node };
  if (bits !== 4 && bits !== 8) return { because: `its weight is packed in ${bits} bits`, at: node };
  if (node.inputs.some((value, k) => k > 0 && k < 4 && value && b.wants(k))) {
    return { because: 'its packed weight depends on what is trained', at: node };
  }
  const flat = b.rank(x) === 2 ? dy! : b.reshape(dy!, b.ints([-1, N]));
  const dc = bias && b.wants(5) ? b.reduceSum(flat, [0], false) : null;
  if (!b.wants(0)) return [null, null, null, null, null, dc];
  const dx = gemm(b, flat, unpackedNBits(b, node, dy!, K, N), 0, 0);
  return [b.rank(x) === 2 ? dx : b.reshapeLike(dx, x), null, null, null, null, dc];
};

/** (q - zero point) * scale as [N, K], in the element type of x. */
function unpackedNBits(b: GradBuilder, node: Node, dy: Value, K: number, N: number): Value {
  const { bits, block_size: size } = attributes(node, 'com.microsoft::MatMulNBits');
  const blocks = Math.ceil(K / size);
  const late = runTimeShape(b, dy, [N, (blocks * size * bits) / 8]);
  const q = b.reshape(fields(b, b.reshape(input(node, 1), late), bits), b.ints([N, blocks, size]));
  const zero = zeroPoint(b, node, N, blocks, bits);
  const scale = b.reshape(f32(b, input(node, 2)), b.ints([N, blocks, 1]));
  const whole = b.reshape(b.mul(b.sub(q, zero), scale), b.ints([N, blocks * size]));
  const w = blocks * size === K ? whole : slice(b, whole, b.ints([0]), b.ints([K]), 1);
  return b.isHalf(dy) ? b.one('Cast', [w], { to: attrInt(b.onnxType(dy)) }) : w;
}

/** [N, blocks, 1], or a number where there are none: half of the range. */
function zeroPoint(b: GradBuilder, node: Node, N: number, blocks: number, bits: number): Value {
  const given = node.inputs[3];
  if (!given) return b.constant(f32Tensor([], [2 ** (bits - 1)]), 'grad/zero-point');
  const column = b.ints([N, blocks, 1]);
  // in the type of the scales they are plain numbers, one per block
  if (given.type?.kind === 'tensor' && given.type.dtype !== 'u8') return b.reshape(f32(b, given), column);
  const bytes = Math.ceil((blocks * bits) / 8);
  const all = fields(b, b.reshape(given, b.ints([N, bytes])), bits);
  const used = (bytes * 8) / bits === blocks ? all : slice(b, all, b.ints([0]), b.ints([blocks]), 1);
  return b.reshape(used, column);
}

/** The bytes [N, n] as numbers [N, 8 n / bits], low half first unless said otherwise. In float32: integer arithmetic on bytes is not everywhere. */
export function fields(b: GradBuilder, bytes: Value, bits: number, highFirst = false): Value {
  const value = f32(b, bytes);
  if (bits === 8) return value;
  const number = (v: number): Value => b.constant(f32Tensor([], [v]), 'grad/sixteen');
  const high = b.one('Floor', [b.mul(value, number(1 / 16))]);
  const low = b.sub(value, b.mul(high, number(16)));
  const apart = (highFirst ? [high, low] : [low, high]).map((half) => b.reshape(half, b.ints([0, -1, 1])));
  return b.reshape(b.one('Concat', apart, { axis: attrInt(2) }), b.ints([0, -1]));
}

function f32(b: GradBuilder, value: Value): Value {
  return b.one('Cast', [value], { to: attrInt(1) });
}
