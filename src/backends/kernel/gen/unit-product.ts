import { fail } from '../../../ir/diagnostics.js';
import { refused } from '../../codes/kernel-ir.js';
import {
  type ArrayDecl,
  add,
  define,
  div,
  type Kernel,
  mod,
  mul,
  ref,
  repeat,
  type Stmt,
  type U32,
  u32,
} from '../ir/kir.js';
import {
  elementOf,
  type FragmentDecl,
  UNIT,
  UNIT_INNER,
  UNIT_RESULTS,
  type UnitType,
  WARP,
} from '../ir/units.js';
import type { Launch, Operand, TileSchedule } from '../model/types.js';
import { scheduleText } from '../plan/schedule.js';
import type { Results } from './epilogue.js';
import { productIn } from './product-work.js';
import { type Multiplier, type RingTiles, ringKernel } from './ring-product.js';
import { unitResults } from './unit-results.js';
import { unitTypeOf } from './unit-schedule.js';
import { type TileShape, tileShape } from './unit-tiles.js';

/**
 * The kernel of a product for matrix units (tier T1: `mma.sync`, `ldmatrix`, tiles in a ring; sm_80 and up). A block of `warps`
 * warps computes BM x BN results, a warp TM x TN of them. Tiles keep the order of memory; rows are padded so that eight of them
 * lie in different banks. Throws LOTR6101 for a product that is chained or widened, or whose operands are float32 and stay so.
 */
export function unitProductKernel(launch: Launch): Kernel {
  const work = productIn(launch);
  if (work.chain || work.widen)
    return fail(refused({ launch: launch.name, why: 'matrix units take no chained or widened product' }));
  const type = unitTypeOf(work);
  if (!type) return fail(refused({ launch: launch.name, why: 'matrix units multiply no float32' }));
  return ringKernel(launch, work, new Units(launch.schedule, type));
}

/** Matrix units of the warps of a block. */
class Units implements Multiplier {
  readonly elem: Multiplier['elem'];
  readonly threads: number;
  readonly how: string;
  readonly registers: readonly ArrayDecl[];
  readonly fragments: readonly FragmentDecl[];
  readonly #warpRow = ref('u32', 'warp_row');
  readonly #warpCol = ref('u32', 'warp_col');

  constructor(
    readonly schedule: TileSchedule,
    readonly type: UnitType,
  ) {
    const { TM, TN, warps } = schedule;
    this.elem = elementOf(type);
    this.threads = warps * WARP;
    this.how = `tiles ${scheduleText(schedule)}, matrix units in ${type}`;
    this.registers = [{ name: 'acc', space: 'register', size: (TM * TN) / WARP }];
    this.fragments = [
      { name: 'part_a', part: 'a', type, count: TM / UNIT.rows },
      { name: 'part_b', part: 'b', type, count: TN / UNIT.cols },
    ];
  }

  shape(operand: Operand, rows: number, cols: number, rowsOuter: boolean): TileShape {
    return tileShape(operand, rows, cols, rowsOuter, this.elem);
  }

  places(lane: U32): Stmt[] {
    const { BN, TM, TN } = this.schedule;
    const [warp, across] = [div(lane, u32(WARP)), u32(BN / TN)];
    return [
      define('warp_row', mul(div(warp, across), u32(TM))),
      define('warp_col', mul(mod(warp, across), u32(TN))),
    ];
  }

  /** acc += tile_a tile_b for the TM x TN of a warp. */
  multiply({ a, b }: RingTiles, n: string, first: { readonly a: U32; readonly b: U32 }): Stmt[] {
    const { BK, TM, TN } = this.schedule;
    const inner = UNIT_INNER[this.type];
    const [down, across] = [TM / UNIT.rows, TN / UNIT.cols];
    // two fragments of 16-bit elements in one load
    const wide = this.elem !== 'f32' && across % 2 === 0 ? 2 : 1;
    const place = (from: U32, { pitch, transposed }: TileShape, row: U32, col: U32) => {
      const [i, j] = transposed ? [col, row] : [row, col];
      return add(from, add(mul(i, u32(pitch)), j));
    };
    return [
      repeat(`k_${n}`, BK / inner, (step) => {
        const k = mul(step, u32(inner));
        return [
          repeat(`i_${n}`, down, (i) => [
            {
              s: 'fragment',
              fragment: 'part_a',
              index: i,
              tile: 'tile_a',
              at: place(first.a, a, add(this.#warpRow, mul(i, u32(UNIT.rows))), k),
              stride: a.pitch,
              transposed: a.transposed,
            },
          ]),
          repeat(`j_${n}`, across / wide, (j) => [
            {
              s: 'fragment',
              fragment: 'part_b',
              index: mul(j, u32(wide)),
              tile: 'tile_b',
              at: place(first.b, b, k, add(this.#warpCol, mul(j, u32(wide * UNIT.cols)))),
              stride: b.pitch,
              transposed: b.transposed,
              ...(wide === 2 ? { pair: true } : {}),
            },
          ]),
          repeat(`i2_${n}`, down, (i) => [
            repeat(`j2_${n}`, across, (j) => [
              {
                s: 'mma',
                acc: 'acc',
                at: mul(add(mul(i, u32(across)), j), u32(UNIT_RESULTS)),
                a: 'part_a',
                aIndex: i,
                b: 'part_b',
                bIndex: j,
              },
            ]),
          ]),
        ];
      }),
    ];
  }

  /** Where the results of a thread lie follows from the unit: see UNIT_RESULTS. */
  results(lane: U32): Pick<Results, 'row' | 'col' | 'each'> {
    const { TM, TN } = this.schedule;
    const across = TN / UNIT.cols;
    const own = mod(lane, u32(WARP));
    return {
      row: add(this.#warpRow, div(own, u32(4))),
      col: add(this.#warpCol, mul(mod(own, u32(4)), u32(2))),
      each: (result, width) => [
        repeat('out_i', TM / UNIT.rows, (i) => [
          repeat('out_j', across, (j) =>
            unitResults(width, (e, down, along) =>
              result(
                add(mul(add(mul(i, u32(across)), j), u32(UNIT_RESULTS)), e),
                add(mul(i, u32(UNIT.rows)), down),
                add(mul(j, u32(UNIT.cols)), along),
              ),
            ),
          ),
        ]),
      ],
    };
  }
}
