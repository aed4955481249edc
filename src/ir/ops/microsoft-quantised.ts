import { attrInt } from '../attr.js';
import type { Node, Value } from '../model.js';
import { ComputedTensor, f32Tensor } from '../tensor.js';
import { ViewedTensor } from '../viewed-tensor.js';
import { attrsOf } from './core/attrs.js';
import { CODE_TABLES, codeTable } from './core/code-tables.js';
import { type GradBuilder, type NdArray, type OpDef, op } from './core/define.js';
import { attributes, constantOf, input, runTimeShape, type Vjp } from './core/gradient.js';
import { slice } from './core/gradient-shape.js';
import { elements, matmulShape, matrixCost } from './core/matrix.js';
import { fromIndex, matmul, zip } from './core/nd.js';
import { blockSizes, packedNumber } from './core/number-blocks.js';
import { attrs, dimProduct, mustAgree, need, one, rule, shapeAt, sum, tensorAt } from './core/rules.js';
import { gemm } from './matmul.js';
import { DynamicQuantizeLinear, frozenProduct, lessZeroPoint } from './quantised.js';

/** Products with packed weights and with rounded activations (com.microsoft). */

function f32(b: GradBuilder, value: Value): Value {
  return b.one('Cast', [value], { to: attrInt(1) });
}

/** The bytes [N, n] as numbers [N, 8 n / bits], low half first unless said otherwise. In float32: integer arithmetic on bytes is not everywhere. */
function fields(b: GradBuilder, bytes: Value, bits: number, highFirst = false): Value {
  const value = f32(b, bytes);
  if (bits === 8) return value;
  const number = (v: number): Value => b.constant(f32Tensor([], [v]), 'grad/sixteen');
  const high = b.one('Floor', [b.mul(value, number(1 / 16))]);
  const low = b.sub(value, b.mul(high, number(16)));
  const apart = (highFirst ? [high, low] : [low, high]).map((half) => b.reshape(half, b.ints([0, -1, 1])));
  return b.reshape(b.one('Concat', apart, { axis: attrInt(2) }), b.ints([0, -1]));
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

/** (q - zero point) * scale as [N, K], in the element type of x. */
function unpackedNBits(b: GradBuilder, node: Node, dy: Value, K: number, N: number): Value {
  const { block_size: size } = attributes(node, 'com.microsoft::MatMulNBits');
  const blocks = Math.ceil(K / size);
  const whole = dequantizedNBits(b, node, N, blocks) ?? computedNBits(b, node, dy, N, blocks);
  const w = blocks * size === K ? whole : slice(b, whole, b.ints([0]), b.ints([K]), 1);
  return b.isHalf(dy) ? b.one('Cast', [w], { to: attrInt(b.onnxType(dy)) }) : w;
}

/**
 * [N, blocks * size] in float32 by DequantizeLinear, which has 4-bit integers and blocks from operator set 21 on: one pass, where arithmetic
 * takes nine. Its weight has the bytes of the packed one. Null where it does not read the zero points as they lie.
 */
function dequantizedNBits(b: GradBuilder, node: Node, N: number, blocks: number): Value | null {
  const { bits, block_size: size } = attributes(node, 'com.microsoft::MatMulNBits');
  const [codes, given] = [constantOf(input(node, 1)), node.inputs[3] ?? null];
  const points = given && constantOf(given);
  const rowsFill = (blocks * bits) % 8 === 0;
  if (b.opset < 21 || !codes || (given && (points?.dtype !== 'u8' || !rowsFill))) return null;
  const dtype = bits === 8 ? 'u8' : 'u4';
  const shape = [N, blocks];
  const half = new ComputedTensor(dtype, shape, 'half of the range', () =>
    new Uint8Array(Math.ceil((N * blocks * bits) / 8)).fill(bits === 8 ? 0x80 : 0x88),
  );
  const hint = 'grad/zero-points';
  const zeros = points
    ? b.constant(new ViewedTensor(points, shape, dtype), hint)
    : b.once(`half:${dtype}[${shape}]`, () => b.constant(half, hint));
  const weight = b.constant(new ViewedTensor(codes, [N, blocks * size], dtype), 'grad/codes');
  const scales = b.reshape(f32(b, input(node, 2)), b.ints(shape));
  const inputs = [weight, scales, zeros];
  return b.one('DequantizeLinear', inputs, { axis: attrInt(1), block_size: attrInt(size) });
}

/** [N, blocks * size] in float32, by arithmetic. */
function computedNBits(b: GradBuilder, node: Node, dy: Value, N: number, blocks: number): Value {
  const { bits, block_size: size } = attributes(node, 'com.microsoft::MatMulNBits');
  const late = runTimeShape(b, dy, [N, (blocks * size * bits) / 8]);
  const q = b.reshape(fields(b, b.reshape(input(node, 1), late), bits), b.ints([N, blocks, size]));
  const zero = zeroPoint(b, node, N, blocks, bits);
  const scale = b.reshape(f32(b, input(node, 2)), b.ints([N, blocks, 1]));
  return b.reshape(b.mul(b.sub(q, zero), scale), b.ints([N, blocks * size]));
}

/** What products with a weight (N, K) in a few bits have in common: x (..., K) gives (..., N). */
function packedProduct<Op extends 'com.microsoft::MatMulNBits' | 'com.microsoft::MatMulBnb4'>() {
  return {
    domain: 'com.microsoft',
    since: 1,
    traits: ['pure', 'linear'],
    linear: { weight: 1, extents: ['K', 'N'] },
    infer: rule<Op>((node, ctx) => {
      const x = tensorAt(ctx, 0);
      const { K, N } = attrs(node, ctx);
      mustAgree(node, x?.shape?.at(-1), K, 'inner extents');
      return one(x?.dtype, x?.shape ? [...x.shape.slice(0, -1), N] : null);
    }),
    cost: (node: Node<Op>) => {
      const { K, N } = attrsOf(node);
      const x = shapeAt(node, 0);
      const rows = elements(x ? x.slice(0, -1) : null);
      const stored = sum(elements(shapeAt(node, 1)), dimProduct(4, elements(shapeAt(node, 2))));
      return {
        flops: dimProduct(2, rows, K, N),
        bytes: sum(stored, dimProduct(4, rows, K), dimProduct(4, rows, N)),
      };
    },
  } as const satisfies Partial<OpDef<Op>>;
}

/**
 * com.microsoft MatMulNBits: x (..., K) times the transpose of a weight (N, K) whose rows are stored as blocks of
 * packed unsigned integers (N, blocks, bytes), least significant bits first: (q - zero point) * scale per block.
 */
export const MsMatMulNBits = op({
  name: 'com.microsoft::MatMulNBits',
  ...packedProduct<'com.microsoft::MatMulNBits'>(),
  value: (node, inputs): NdArray[] => {
    const { K, N, bits, block_size } = attrsOf(node);
    if (inputs[4]) throw new Error('MatMulNBits with g_idx has no reference');
    const [x, packed, scales, zeros, bias] = [
      need(inputs, 0),
      need(inputs, 1),
      need(inputs, 2),
      inputs[3],
      inputs[5],
    ];
    const { blocks, blockBytes, zeroBytes } = blockSizes({ in: K, bits, block: block_size });
    // zero points in the type of the scales are numbers, one per block; bytes are packed as the weight is
    const type = node.inputs[3]?.type;
    const plain = type?.kind === 'tensor' && type.dtype !== 'u8';
    const weight = fromIndex([K, N], ([k, n]) => {
      const block = Math.floor(k! / block_size);
      const q = packedNumber(packed.data, (n! * blocks + block) * blockBytes, k! % block_size, bits);
      const zero = !zeros
        ? 2 ** (bits - 1)
        : plain
          ? zeros.data[n! * blocks + block]!
          : packedNumber(zeros.data, n! * zeroBytes, block, bits);
      return (q - zero) * scales.data[n! * blocks + block]!;
    });
    const y = matmul(x, weight);
    return [bias ? zip([y, bias], (a, b) => a! + b!) : y];
  },

  /**
   * MatMulNBits: y = x W^T (+ c) with W [N, K] packed in 4 or 8 bits: dx = dy W, with W unpacked when dy is there; dc = sum dy.
   * The packed weight, its scales and zero points are frozen.
   */
  vjp: (b, node, [dy]) => {
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
  },
  cases: [
    {
      inputs: ['float[3,20]', 'const uint8[5,2,8]', 'const float[10] > 0'],
      attrs: { K: 20, N: 5, bits: 4, block_size: 16 },
      tolerance: 0.0001,
    },
    {
      inputs: ['float[3,32]', 'const uint8[5,2,8]', 'const float[10] > 0', 'const uint8[5]'],
      attrs: { K: 32, N: 5, bits: 4, block_size: 16 },
      tolerance: 0.0001,
    },
    {
      inputs: ['float[3,20]', 'const uint8[5,2,8]', 'const float[10] > 0', 'const uint8[5]'],
      opset: 21,
      attrs: { K: 20, N: 5, bits: 4, block_size: 16 },
      tolerance: 0.0001,
    },
    {
      inputs: ['float[3,20]', 'const uint8[5,2,8]', 'const float[10] > 0'],
      opset: 21,
      attrs: { K: 20, N: 5, bits: 4, block_size: 16 },
      tolerance: 0.0001,
    },
    {
      inputs: ['float[3,48]', 'const uint8[5,3,16]', 'const float[15] > 0', 'const uint8[15]'],
      opset: 21,
      attrs: { K: 48, N: 5, bits: 8, block_size: 16 },
      tolerance: 0.0001,
    },
  ],
});

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

/**
 * com.microsoft MatMulBnb4: x (..., K) times the transpose of a weight (N, K) held as 4-bit codes of a table, two in a byte,
 * the first in its high half, and one scale for every `block_size` codes.
 */
export const MsMatMulBnb4 = op({
  name: 'com.microsoft::MatMulBnb4',
  ...packedProduct<'com.microsoft::MatMulBnb4'>(),
  value: (node, inputs): NdArray[] => {
    const { K, N, block_size, quant_type, transB } = attrsOf(node);
    const name = codeTable(quant_type);
    if (!name || !transB) throw new Error('this form of MatMulBnb4 has no reference');
    const table = CODE_TABLES[name];
    const [x, packed, scales] = [need(inputs, 0), need(inputs, 1), need(inputs, 2)];
    const weight = fromIndex([K, N], ([k, n]) => {
      const at = n! * K + k!;
      const byte = packed.data[at >> 1]!;
      return table[at % 2 === 0 ? byte >> 4 : byte & 15]! * scales.data[Math.floor(at / block_size)]!;
    });
    return [matmul(x, weight)];
  },

  /** MatMulBnb4: y = x W^T with W [N, K] as 4-bit codes of a table and a scale per block: dx = dy W, with W unpacked when dy is there. */
  vjp: (b, node, [dy]) => {
    const { K, N, quant_type, transB } = attributes(node, 'com.microsoft::MatMulBnb4');
    const x = input(node, 0);
    const table = codeTable(quant_type);
    if (!table) return { because: `its table (quant_type ${quant_type}) is unknown`, at: node };
    if (!transB) return { because: 'its weight is stored untransposed', at: node };
    if (b.wants(1) || b.wants(2))
      return { because: 'its packed weight depends on what is trained', at: node };
    const flat = b.rank(x) === 2 ? dy! : b.reshape(dy!, b.ints([-1, N]));
    const dx = gemm(b, flat, unpackedBnb4(b, node, CODE_TABLES[table], dy!, K * N, [N, K]), 0, 0, 1, x);
    return [b.rank(x) === 2 ? dx : b.reshapeLike(dx, x), null, null];
  },
  cases: [
    {
      inputs: ['float[2,3,8]', 'const uint8[20]', 'const float[3] > 0'],
      attrs: { K: 8, N: 5, block_size: 16, quant_type: 0 },
    },
    {
      inputs: ['float[2,3,8]', 'const uint8[20]', 'const float[3] > 0'],
      attrs: { K: 8, N: 5, block_size: 16, quant_type: 1 },
    },
  ],
});

interface Scaled {
  readonly x: Value;
  readonly w: Value;
  /** each a number or, the first, one per column */
  readonly scales: readonly Value[];
  /** zero point of w */
  readonly zero: Value | null;
  /** index of the bias among the inputs */
  readonly bias: number;
}

function scaledProduct(b: GradBuilder, node: Node, dy: Value, p: Scaled): ReturnType<Vjp> {
  const other = node.inputs.findIndex((value, k) => value && k !== 0 && k !== p.bias && b.wants(k));
  if (other > 0) return { because: `input ${other} depends on what is trained`, at: node };
  if (b.rank(p.w) !== 2) return { because: 'its weight is not a matrix', at: node };
  const grads: (Value | null)[] = node.inputs.map(() => null);
  const bias = node.inputs[p.bias];
  if (bias && b.wants(p.bias)) grads[p.bias] = b.sumTo(dy, node.outputs[0]!, bias);
  if (!b.wants(0)) return grads;
  const scaled = p.scales.reduce((g, scale) => b.mul(g, scale), dy);
  grads[0] = frozenProduct(b, scaled, lessZeroPoint(b, dy, p.w, p.zero, false), p.x, p.w);
  return grads;
}

/**
 * com.microsoft DynamicQuantizeMatMul: x rounded to 8 bits as DynamicQuantizeLinear does, times (w - zero point) * scale with
 * scale and zero point per column, plus a bias.
 */
export const MsDynamicQuantizeMatMul = op({
  name: 'com.microsoft::DynamicQuantizeMatMul',
  domain: 'com.microsoft',
  since: 1,
  straightThrough: [0],
  traits: ['pure'],
  linear: { weight: 1 },
  infer: rule((node, ctx) => {
    const x = tensorAt(ctx, 0);
    return one(x?.dtype, matmulShape(node, x?.shape, tensorAt(ctx, 1)?.shape));
  }),
  cost: (node) => {
    const [x, w] = [shapeAt(node, 0), shapeAt(node, 1)];
    return matrixCost(x, [x, w], matmulShape(node, x, w), 1);
  },
  value: (node, inputs): NdArray[] => {
    const [x, w, scale, zero, bias] = [
      need(inputs, 0),
      need(inputs, 1),
      need(inputs, 2),
      inputs[3],
      inputs[4],
    ];
    const [codes, step, point] = DynamicQuantizeLinear.value!(node as never, [x]) as [
      NdArray,
      NdArray,
      NdArray,
    ];
    const rounded = zip([codes, step, point], (q, s, z) => (q! - z!) * s!);
    const centred = zero ? zip([w, zero], (v, z) => v! - z!) : w;
    const y = matmul(
      rounded,
      zip([centred, scale], (v, s) => v! * s!),
    );
    return [bias ? zip([y, bias], (v, c) => v! + c!) : y];
  },

  /** com.microsoft DynamicQuantizeMatMul: y = q(x) (w - zw) sw + c with x rounded inside: dx = dy ((w - zw) sw)^T, dc = sum dy. */
  vjp: (b, node, [dy]) => {
    const [x, w] = [input(node, 0), input(node, 1)];
    return scaledProduct(b, node, dy!, {
      x,
      w,
      scales: [input(node, 2)],
      zero: node.inputs[3] ?? null,
      bias: 4,
    });
  },
  cases: [
    {
      // weights of 7 bits: with larger ones, ONNX Runtime's sums of pairs saturate on x86 processors without VNNI
      inputs: [
        'float[3,4]',
        'const int8[4,5] {-63, 17, 40, -8, 61, 5, -33, 29, 63, -50, 12, 44, -21, -2, 37, 58, -60, 9, 26, -45}',
        'const float[5] > 0',
        'const int8[5] {3, -2, 0, 5, 1}',
        'float[5]',
      ],
    },
  ],
});

/** com.microsoft MatMulIntegerToFloat: (a - zero point)(w - zero point) times both scales, plus a bias; those of w per column. */
export const MsMatMulIntegerToFloat = op({
  name: 'com.microsoft::MatMulIntegerToFloat',
  domain: 'com.microsoft',
  since: 1,
  traits: ['pure'],
  linear: { weight: 1, keeps: 'multiplies integers' },
  infer: rule((node, ctx) =>
    one(tensorAt(ctx, 2)?.dtype, matmulShape(node, tensorAt(ctx, 0)?.shape, tensorAt(ctx, 1)?.shape)),
  ),
  cost: (node) => {
    const [a, w] = [shapeAt(node, 0), shapeAt(node, 1)];
    return matrixCost(a, [a, w], matmulShape(node, a, w), 1);
  },
  value: (_, inputs): NdArray[] => {
    const centred = (at: number, zero: number): NdArray =>
      inputs[zero] ? zip([need(inputs, at), inputs[zero]], (v, z) => v! - z!) : need(inputs, at);
    const scale = zip([need(inputs, 2), need(inputs, 3)], (a, w) => a! * w!);
    const y = zip([matmul(centred(0, 4), centred(1, 5)), scale], (v, s) => v! * s!);
    return [inputs[6] ? zip([y, inputs[6]], (v, c) => v! + c!) : y];
  },

  /** com.microsoft MatMulIntegerToFloat: y = (a - za)(w - zw) sa sw + c: da = dy sa ((w - zw) sw)^T, dc = sum dy. */
  vjp: (b, node, [dy]) => {
    const [x, w] = [input(node, 0), input(node, 1)];
    const scales = [input(node, 3), input(node, 2)];
    return scaledProduct(b, node, dy!, { x, w, scales, zero: node.inputs[5] ?? null, bias: 6 });
  },
  throughIntegers: true,
  cases: [
    {
      inputs: [
        'uint8[3,4]',
        'const int8[4,5]',
        'const float {0.02}',
        'const float[5] > 0',
        'const uint8 {7}',
        'const int8[5] {3, -2, 0, 5, 1}',
        'float[5]',
      ],
    },
  ],
});
