import { runtimeText } from '../../../runtime-text.js';
import type { Expr, Kernel } from '../../ir/kir.js';
import { UNIT_INNER } from '../../ir/units.js';
import {
  isPackedOperand,
  type PackedOperand,
  type RingDecl,
  type Tiles,
  WARPGROUP_ROWS,
  type WarpgroupStmt,
  type WarpgroupType,
} from '../../ir/warpgroups.js';
import { WARPGROUP_UNITS_CUH } from './generated/runtime.js';

/** File that kernels for warpgroups include. */
export const WARPGROUP_UNITS = 'warpgroup_units.cuh';
/** Before the name of a kernel whose blocks run in pairs. */
export const PAIR = 'LOTRC_PAIR';

const ELEMENTS: Readonly<Record<WarpgroupType, string>> = { bf16: '__nv_bfloat16', f16: '__half' };

/** A statement of warpgroups in CUDA. */
export function warpgroupText(stmt: WarpgroupStmt, { ring }: Kernel, text: (expr: Expr) => string): string {
  if (!ring) throw new Error('the kernel declares no ring');
  const stored = ({ a, b }: Tiles) => `<${a.transposed}, ${b.transposed}>`;
  switch (stmt.s) {
    case 'ring':
      return [
        `Ring<${[ELEMENTS[ring.type], ring.rows, ring.cols, ring.stages, ...flagsOf(ring)].join(', ')}> ring;`,
        `const ${ring.pair ? 'PairTiles' : 'Tiles'} tiles = {${text(ring.across)}, ${text(ring.down)}};`,
      ].join('\n  ');
    case 'feed': {
      const { a, b, row, col, inner } = stmt.tiles;
      const second = isPackedOperand(b) ? unpackedText(b, text) : b.map;
      return `ring.feed${stored(stmt.tiles)}(${a.map}, ${second}, ${[row, col, inner].map(text).join(', ')});`;
    }
    case 'settle':
      return 'ring.settle();';
    case 'drain':
      return `ring.drain${stored(stmt.tiles)}(${stmt.acc}, ${text(stmt.tiles.inner)});`;
    case 'drained':
      return `ring.drained(${stmt.acc});`;
    case 'send':
      return `ring.send(${stmt.acc}, ${stmt.map}, ${text(stmt.row)}, ${text(stmt.col)});`;
    case 'sent':
      return 'ring.sent();';
    case 'leave':
      return 'ring.leave();';
    case 'registers':
      return `${stmt.more ? 'more' : 'fewer'}_registers<${stmt.count}>();`;
  }
}

/** Template arguments of a ring that have a value unless they are given. */
function flagsOf({ sends, pair, unpacks }: RingDecl): readonly boolean[] {
  const flags = [sends === true, pair === true, unpacks === true];
  return flags.slice(0, flags.lastIndexOf(true) + 1);
}

/** A packed operand in memory. */
function unpackedText(
  { words, scales, zeros, table, how }: PackedOperand,
  text: (expr: Expr) => string,
): string {
  const lengths = scales.extents.map(text).join(', ');
  const zeroRow = zeros ? text(zeros.strides[0]!) : '0u';
  const given = [
    words.buffer,
    scales.buffer,
    zeros?.buffer ?? 'NoZeros{}',
    zeroRow,
    table ?? 'nullptr',
    lengths,
  ];
  return `packed<${how.bits}, ${how.block}>(${given.join(', ')})`;
}

/** One multiplication: 64 rows, `cols` columns and 16 steps of the inner dimension, operands in workgroup memory. */
function multiplyText(type: WarpgroupType, cols: number): string {
  const count = (WARPGROUP_ROWS * cols) / 128;
  const list = (from: number, to: number, text: (at: number) => string) => {
    const all = Array.from({ length: to - from }, (_, at) => text(from + at));
    return Array.from({ length: Math.ceil(all.length / 16) }, (_, line) =>
      all.slice(16 * line, 16 * line + 16).join(', '),
    );
  };
  const sums = list(0, count, (at) => `%${at}`).map(
    (line, at, { length }) => `      "${line}${at + 1 < length ? ', ' : ''}"`,
  );
  const registers = list(0, count, (at) => `"+f"(c[${at}])`).join(',\n        ');
  const [a, b, ta, tb] = [count, count + 1, count + 2, count + 3].map((at) => `%${at}`);
  return `template <>
struct Multiply<${ELEMENTS[type]}, ${cols}> {
  template <bool TRANSPOSED_A, bool TRANSPOSED_B>
  LOTRC_MEMBER void add(float (&c)[${count}], uint64_t a, uint64_t b) {
    asm volatile(
      "{ .reg .pred adds; setp.ne.b32 adds, 1, 0;"
      " wgmma.mma_async.sync.aligned.m${WARPGROUP_ROWS}n${cols}k${UNIT_INNER[type]}.f32.${type}.${type} {"
${sums.join('\n')}
      "}, ${a}, ${b}, adds, 1, 1, ${ta}, ${tb}; }"
      : ${registers}
      : "l"(a), "l"(b), "n"(TRANSPOSED_A), "n"(TRANSPOSED_B));
  }
};
`;
}

/** The file, with the multiplications that some rings need, in the order of type and width. */
export function warpgroupUnitsText(rings: readonly Pick<RingDecl, 'type' | 'cols'>[]): string {
  const shapes = new Map(rings.map(({ type, cols }) => [`${type} ${1000 + cols}`, { type, cols }]));
  const multiplications = [...shapes].sort().map(([, { type, cols }]) => multiplyText(type, cols));
  // each with an empty line before the next
  const lines = multiplications.join('\n').split('\n').slice(0, -1);
  return runtimeText(WARPGROUP_UNITS_CUH, {}, { multiplications: lines });
}
