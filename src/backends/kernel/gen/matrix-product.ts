import { fail } from '../../../ir/diagnostics.js';
import { refused } from '../../codes/kernel-ir.js';
import { SUBGROUP, type SubgroupMatrix, subgroupMatrix } from '../device/subgroup-matrices.js';
import {
  type ArrayDecl,
  add,
  barrier,
  comment,
  define,
  div,
  type Kernel,
  mod,
  mul,
  peek,
  peek4,
  poke,
  ref,
  repeat,
  type Stmt,
  type U32,
  u32,
  vector,
} from '../ir/kir.js';
import { subgroupNumber } from '../ir/subgroups.js';
import type { FragmentDecl } from '../ir/units.js';
import type { Launch, Operand, TileSchedule } from '../model/types.js';
import { sumPitch } from '../plan/padded-tiles.js';
import { matrixRows, scheduleText } from '../plan/schedule.js';
import { allInVectors, VECTOR } from '../plan/vectors.js';
import type { Results } from './epilogue.js';
import { productIn } from './product-work.js';
import { fourOf } from './quads.js';
import { type Multiplier, type RingTiles, ringKernel } from './ring-product.js';
import { fragmentCounts, unitSteps } from './unit-steps.js';
import { type TileShape, tileShape } from './unit-tiles.js';

/**
 * The kernel of a product for the matrices of subgroups (WebGPU). A workgroup of `warps` subgroups computes BM x BN results, a subgroup
 * TM x TN of them, from a ring of two tiles. Throws LOTR6101 where matrices are not read in vectors, or of another type than is multiplied.
 */
export function matrixProductKernel(launch: Launch): Kernel {
  const work = productIn(launch);
  const { matrix: shape, halfSums } = launch.schedule;
  const matrix = subgroupMatrix(shape!, halfSums);
  const types = work.segments.flatMap(({ a, b }) => [a.matrix, b.matrix]);
  if (!allInVectors(work) || types.some(({ dtype, packed }) => dtype !== matrix.type || packed))
    return fail(
      refused({ launch: launch.name, why: `subgroups multiply matrices in ${matrix.type}, in vectors` }),
    );
  return ringKernel(launch, work, new SubgroupMatrices(launch.schedule, matrix));
}

/**
 * Matrices of the subgroups of a workgroup. Sums come to `acc`, vectors of float32 of which each invocation has some of the workgroup's,
 * through the array `results`: once in the end, a row of fragments at a time, or, where they are float16, whole after every tile.
 */
class SubgroupMatrices implements Multiplier {
  readonly elem: 'f16' | 'f32';
  readonly threads: number;
  readonly how: string;
  readonly registers: readonly ArrayDecl[];
  readonly fragments: readonly FragmentDecl[];
  readonly vectors: NonNullable<Multiplier['vectors']>;
  readonly #down: number;
  readonly #across: number;
  /** elements from row to row of `results` */
  readonly #pitch: number;
  /** rows of `results`, and rows of fragments of a subgroup that they have room for */
  readonly #height: number;
  readonly #together: number;
  readonly #ownRow = ref('u32', 'own_row');
  readonly #ownCol = ref('u32', 'own_col');

  constructor(
    readonly schedule: TileSchedule,
    readonly matrix: SubgroupMatrix,
  ) {
    const { BM, BN, warps } = schedule;
    const { type, result } = matrix;
    const { down, across } = fragmentCounts(schedule, matrix);
    [this.#down, this.#across] = [down, across];
    this.elem = type;
    this.threads = warps * SUBGROUP;
    this.how = `tiles ${scheduleText(schedule)}`;
    this.#pitch = sumPitch(BN, result);
    this.#height = matrixRows(schedule, matrix);
    this.#together = (down * this.#height) / BM;
    this.registers = [
      {
        name: 'results',
        space: 'workgroup',
        size: this.#height * this.#pitch,
        ...(result === 'f16' ? { elem: 'f16' } : {}),
      },
      { name: 'acc', space: 'register', size: (BM * BN) / VECTOR / this.threads, vector: true },
    ];
    this.fragments = [
      { name: 'part_a', part: 'a', type, count: down },
      { name: 'part_b', part: 'b', type, count: across },
      { name: 'sum', part: 'sum', type: result, count: down * across },
    ];
    this.vectors = { matrix, gather: (lane) => (result === 'f16' ? [] : this.#gather(lane)) };
  }

  shape(operand: Operand, rows: number, cols: number, rowsOuter: boolean): TileShape {
    return tileShape(operand, rows, cols, rowsOuter, this.elem);
  }

  places(): Stmt[] {
    const { BN, TM, TN, warps } = this.schedule;
    const [number, across] = [ref('u32', 'subgroup'), u32(BN / TN)];
    return [
      define('subgroup', subgroupNumber(warps)),
      define('own_row', mul(div(number, across), u32(TM))),
      define('own_col', mul(mod(number, across), u32(TN))),
    ];
  }

  multiply(tiles: RingTiles, n: string, first: { readonly a: U32; readonly b: U32 }): Stmt[] {
    const [row, col] = [this.#ownRow, this.#ownCol];
    const steps = unitSteps(this.schedule, this.matrix, tiles, {
      n,
      first,
      row,
      col,
      sums: 'sum',
      each: 1,
    });
    if (this.matrix.result === 'f32') return [steps];
    // the next barrier of the ring keeps the next tile's sums from being written where these are read
    return [
      steps,
      ...this.#spill(n, 0),
      barrier,
      repeat(`sum_${n}`, this.#down * this.#across, (at) => [{ s: 'clear', fragment: 'sum', index: at }]),
      ...this.#take(ref('u32', 'lane'), 0, (at, four) => add(peek4('acc', at), four)),
    ];
  }

  /** Rows of fragments come one after another. */
  #gather(lane: U32): Stmt[] {
    const passes = this.#down / this.#together;
    return [
      comment(`sums of subgroups, ${this.#height} rows at a time`),
      ...Array.from({ length: passes }, (_, pass) => [
        ...(pass > 0 ? [barrier] : []),
        ...this.#spill(`${pass}`, pass),
        barrier,
        ...this.#take(lane, pass, (_, four) => four),
      ]).flat(),
    ];
  }

  /** Stores the sums of one pass. */
  #spill(n: string, pass: number): Stmt[] {
    const { TM } = this.schedule;
    const { rows, cols } = this.matrix;
    const together = this.#together;
    // the rows of the subgroups lie one after another
    const top = mul(div(this.#ownRow, u32(TM)), u32(together * rows));
    return [
      repeat(`is_${n}`, together, (i) => [
        repeat(`js_${n}`, this.#across, (j) => [
          {
            s: 'spill',
            fragment: 'sum',
            index: add(mul(add(u32(pass * together), i), u32(this.#across)), j),
            tile: 'results',
            at: add(mul(add(top, mul(i, u32(rows))), u32(this.#pitch)), add(this.#ownCol, mul(j, u32(cols)))),
            stride: this.#pitch,
          },
        ]),
      ]),
    ];
  }

  /** Writes the vectors of an invocation in one pass to `acc`. */
  #take(
    lane: U32,
    pass: number,
    value: (at: U32, four: ReturnType<typeof vector>) => ReturnType<typeof vector>,
  ): Stmt[] {
    const across = u32(this.schedule.BN / VECTOR);
    const each = this.#each;
    return Array.from({ length: each }, (_, e) => {
      const [index, row] = [u32(pass * each + e), add(div(lane, across), u32(e * this.#sweep))];
      const from = add(mul(row, u32(this.#pitch)), mul(mod(lane, across), u32(VECTOR)));
      const four = vector(fourOf((c) => peek('results', add(from, u32(c)))));
      return poke('acc', index, value(index, four));
    });
  }

  /** Vectors of an invocation in one pass, and the rows that all of them take of one. */
  get #each(): number {
    return (this.#height * this.schedule.BN) / VECTOR / this.threads;
  }
  get #sweep(): number {
    return (this.threads * VECTOR) / this.schedule.BN;
  }

  /** Where they lie in the tile: an invocation keeps its column, and its rows are constants apart. */
  results(lane: U32): Pick<Results, 'row' | 'col' | 'each'> {
    const { BM, BN, TM } = this.schedule;
    const across = u32(BN / VECTOR);
    const own = this.#together * this.matrix.rows;
    return {
      row: div(lane, across),
      col: mul(mod(lane, across), u32(VECTOR)),
      each: (result) =>
        Array.from({ length: BM / this.#sweep }, (_, index) => {
          const [pass, e] = [Math.floor(index / this.#each), index % this.#each];
          const row = e * this.#sweep;
          const down = Math.floor(row / own) * TM + pass * own + (row % own);
          return result(u32(index), u32(down), u32(0));
        }).flat(),
    };
  }
}
