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
import { fragmentCounts, unitSteps } from './unit-steps.js';
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
    const { down, across } = fragmentCounts(schedule, UNIT);
    this.elem = elementOf(type);
    this.threads = warps * WARP;
    this.how = `tiles ${scheduleText(schedule)}, matrix units in ${type}`;
    this.registers = [{ name: 'acc', space: 'register', size: (TM * TN) / WARP }];
    this.fragments = [
      { name: 'part_a', part: 'a', type, count: down },
      { name: 'part_b', part: 'b', type, count: across },
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
  multiply(tiles: RingTiles, n: string, first: { readonly a: U32; readonly b: U32 }): Stmt[] {
    const unit = { ...UNIT, inner: UNIT_INNER[this.type] };
    const { across } = fragmentCounts(this.schedule, unit);
    // two fragments of 16-bit elements in one load
    const wide = this.elem !== 'f32' && across % 2 === 0 ? 2 : 1;
    const [row, col] = [this.#warpRow, this.#warpCol];
    return [
      unitSteps(this.schedule, unit, tiles, { n, first, row, col, sums: 'acc', each: UNIT_RESULTS, wide }),
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
