import { add, define, div, id, mod, mul, ref, type Stmt, type U32, u32 } from '../ir/kir.js';
import type { Product, TileSchedule } from '../model/types.js';
import { storeResults, tileOfResults } from './epilogue.js';
import { Parameters } from './parameters.js';

/** What the parts of a product's kernel share: its tile, the place of an invocation in it, arrays and parameters. */
export class ProductTile {
  readonly params = new Parameters();
  readonly threads: number;
  /** elements from row to row of tile_a, which is stored transposed, and of tile_b */
  readonly pitchA: number;
  readonly pitchB: number;
  readonly arrays: { name: string; space: 'workgroup' | 'register'; size: number }[] = [];
  readonly rows: U32;
  readonly cols: U32;
  readonly lane = ref('u32', 'lane');
  readonly row0 = ref('u32', 'row0');
  readonly col0 = ref('u32', 'col0');
  /** first row and column of the invocation within the tile */
  readonly tileRow = ref('u32', 'tile_row');
  readonly tileCol = ref('u32', 'tile_col');

  constructor(
    readonly work: Product,
    readonly schedule: TileSchedule,
  ) {
    const { BM, BN, BK, TM, TN, pad = 0 } = schedule;
    [this.pitchA, this.pitchB] = [BM + pad, BN + pad];
    this.threads = (BM / TM) * (BN / TN);
    this.rows = this.params.length(work.rows);
    this.cols = this.params.length(work.cols);
    this.arrays.push(
      { name: 'tile_a', space: 'workgroup', size: BK * this.pitchA },
      { name: 'tile_b', space: 'workgroup', size: BK * this.pitchB },
      { name: 'acc', space: 'register', size: TM * TN },
      { name: 'col_a', space: 'register', size: TM },
      { name: 'row_b', space: 'register', size: TN },
    );
  }

  /** Definitions of the places; they come first, when all operands are known. */
  places(): Stmt[] {
    const { BM, BN, TM, TN } = this.schedule;
    const across = u32(BN / TN);
    return [
      define('lane', id('local', 0)),
      define('row0', mul(id('group', 1), u32(BM))),
      define('col0', mul(id('group', 0), u32(BN))),
      ...this.params.lookups,
      define('tile_row', mul(div(this.lane, across), u32(TM))),
      define('tile_col', mul(mod(this.lane, across), u32(TN))),
    ];
  }

  /**
   * The epilogue of the sums in a register array, for a result of `cols` columns; the first column of the tile is
   * `col0`.
   */
  stores(array: string, cols: U32, col0: U32 = this.col0): Stmt[] {
    const { TM, TN } = this.schedule;
    const [row, col] = [add(this.row0, this.tileRow), add(col0, this.tileCol)];
    return storeResults(this.params, this.work, {
      array,
      row,
      col,
      each: tileOfResults(TM, TN),
      rows: this.rows,
      cols,
    });
  }
}
