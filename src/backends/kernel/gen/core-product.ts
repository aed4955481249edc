import { fail } from '../../../ir/diagnostics.js';
import { refused } from '../../codes/kernel-ir.js';
import {
  type ArrayDecl,
  add,
  define,
  div,
  fma,
  type Kernel,
  loop,
  mod,
  mul,
  peek,
  poke,
  ref,
  repeat,
  type Stmt,
  type U32,
  u32,
} from '../ir/kir.js';
import type { Launch, Operand, TileSchedule } from '../model/types.js';
import { rowPad } from '../plan/padded-tiles.js';
import { scheduleText } from '../plan/schedule.js';
import { VECTOR } from '../plan/vectors.js';
import type { Results } from './epilogue.js';
import { productIn } from './product-work.js';
import { QUAD } from './quads.js';
import { type Multiplier, type RingTiles, ringKernel } from './ring-product.js';
import { type TileShape, turnedAt } from './unit-tiles.js';

/**
 * The kernel of a float32 product for CUDA cores, tiles in a ring. A block computes BM x BN results, a thread TM x TN of them: rows next
 * to each other, columns four by four, BN / TN x 4 apart. Four elements come from shared memory at a time, without conflicts
 * of banks: threads that are served at once read one row of a and neighbours of b. Throws LOTR6101 for a product that is chained or widened.
 */
export function coreProductKernel(launch: Launch): Kernel {
  const work = productIn(launch);
  if (work.chain || work.widen)
    return fail(refused({ launch: launch.name, why: 'a ring of tiles takes no chained or widened product' }));
  const packed = work.segments.some(({ b }) => b.matrix.packed);
  return ringKernel(launch, work, new Cores(launch.schedule, packed));
}

/** The threads of a block, each by itself. */
class Cores implements Multiplier {
  readonly elem = 'f32';
  readonly threads: number;
  readonly how: string;
  readonly registers: readonly ArrayDecl[];
  readonly fragments = [];
  readonly atOnce?: number;
  /** threads along the columns */
  readonly #across: number;
  readonly #row = ref('u32', 'tile_row');
  readonly #col = ref('u32', 'tile_col');

  /** `packed`: numbers are unpacked to whole rows of tiles, which are padded then instead of turned. */
  constructor(
    readonly schedule: TileSchedule,
    readonly packed: boolean,
  ) {
    const { BM, BN, TM, TN } = schedule;
    this.#across = BN / TN;
    this.threads = (BM / TM) * this.#across;
    if (this.threads <= 256 && TM * TN <= 64) this.atOnce = 2;
    this.how = `tiles ${scheduleText(schedule)}`;
    this.registers = [
      { name: 'acc', space: 'register', size: TM * TN },
      { name: 'col_a', space: 'register', size: Math.max(TM, VECTOR) },
      { name: 'row_b', space: 'register', size: VECTOR * TN },
    ];
  }

  /** Rows of W^T are spread: threads read every fourth. */
  shape({ transposed }: Operand, rows: number, cols: number, rowsOuter: boolean): TileShape {
    const [height, width] = transposed ? [cols, rows] : [rows, cols];
    const tile = { height, width, pitch: width, transposed };
    if (!transposed || rowsOuter) return tile;
    return { ...tile, pitch: width + (this.packed ? rowPad('f32', true) : 0), spread: true };
  }

  places(lane: U32): Stmt[] {
    const across = u32(this.#across);
    return [
      define('tile_row', mul(div(lane, across), u32(this.schedule.TM))),
      define('tile_col', mul(mod(lane, across), u32(VECTOR))),
    ];
  }

  /** acc += tile_a tile_b for the TM x TN of a thread, four of the inner dimension at a time. */
  multiply({ a, b }: RingTiles, n: string, first: { readonly a: U32; readonly b: U32 }): Stmt[] {
    const { BK, TM, TN } = this.schedule;
    const rowB = (c: number, j: U32) =>
      b.transposed ? add(mul(j, u32(VECTOR)), u32(c)) : add(u32(c * TN), j);
    const sums = (i: U32, c: number, colA: U32): Stmt =>
      repeat(`j_${n}`, TN, (j) => {
        const at = add(mul(i, u32(TN)), j);
        return [poke('acc', at, fma(peek('col_a', colA), peek('row_b', rowB(c, j)), peek('acc', at)))];
      });
    return [
      // not written out: a thread has 128 registers
      loop(`k_${n}`, u32(0), u32(BK / VECTOR), u32(1), (k) => [
        ...this.#bringB(b, n, first.b, k),
        ...(a.transposed
          ? QUAD.flatMap((c) => [
              this.#bringColumn(
                `${n}_${c}`,
                add(first.a, mul(add(mul(k, u32(VECTOR)), u32(c)), u32(a.pitch))),
              ),
              repeat(`i_${n}`, TM, (i) => [sums(i, c, i)]),
            ])
          : [
              repeat(`i_${n}`, TM, (i) => [
                {
                  s: 'take',
                  to: 'col_a',
                  at: u32(0),
                  array: 'tile_a',
                  index: add(first.a, add(mul(add(this.#row, i), u32(a.pitch)), mul(k, u32(VECTOR)))),
                },
                ...QUAD.map((c) => sums(i, c, u32(c))),
              ]),
            ]),
      ]),
    ];
  }

  /** The thread's TN columns of b, four rows of them. */
  #bringB(b: TileShape, n: string, first: U32, k: U32): Stmt[] {
    const { BN, TN } = this.schedule;
    const vectors = TN / VECTOR;
    const take = (at: U32, index: U32): Stmt => ({ s: 'take', to: 'row_b', at, array: 'tile_b', index });
    if (!b.transposed)
      return QUAD.map((c) =>
        repeat(`jb_${n}`, vectors, (j) => {
          const row = mul(add(mul(k, u32(VECTOR)), u32(c)), u32(b.pitch));
          const col = add(this.#col, mul(j, u32(VECTOR * this.#across)));
          return [take(add(u32(c * TN), mul(j, u32(VECTOR))), add(first, add(row, col)))];
        }),
      );
    return [
      repeat(`jb_${n}`, vectors, (j) =>
        QUAD.map((e) => {
          // the place of row 4 (j across + own column) + e
          const place = add(
            add(u32((e * BN) / VECTOR), mul(j, u32(this.#across))),
            div(this.#col, u32(VECTOR)),
          );
          const within = turnedAt(b, place, mul(k, u32(VECTOR)));
          const at = mul(add(mul(j, u32(VECTOR)), u32(e)), u32(VECTOR));
          return take(at, add(first, add(mul(place, u32(b.pitch)), within)));
        }),
      ),
    ];
  }

  /** The thread's TM rows of one column of a, which lie together in a tile that is stored transposed. */
  #bringColumn(n: string, first: U32): Stmt {
    const { TM } = this.schedule;
    const from = add(first, this.#row);
    if (TM % VECTOR !== 0)
      return repeat(`ia_${n}`, TM, (i) => [poke('col_a', i, peek('tile_a', add(from, i)))]);
    return repeat(`ia_${n}`, TM / VECTOR, (i) => {
      const at = mul(i, u32(VECTOR));
      return [{ s: 'take', to: 'col_a', at, array: 'tile_a', index: add(from, at) }];
    });
  }

  results(): Pick<Results, 'row' | 'col' | 'each'> {
    const { TM, TN } = this.schedule;
    return {
      row: this.#row,
      col: this.#col,
      each: (result, width) => [
        repeat('out_i', TM, (i) => [
          repeat('out_j', TN / VECTOR, (j) => [
            repeat('out_e', VECTOR / width, (e) => {
              const own = mul(e, u32(width));
              return result(
                add(mul(i, u32(TN)), add(mul(j, u32(VECTOR)), own)),
                i,
                add(mul(j, u32(VECTOR * this.#across)), own),
              );
            }),
          ]),
        ]),
      ],
    };
  }
}
