import {
  add,
  and,
  barrier,
  comment,
  define,
  div,
  fma,
  type Kernel,
  load,
  loop,
  lt,
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
import type { Launch, Operand, Product } from '../model/types.js';
import { scheduleText } from '../plan/schedule.js';
import { chained, multiplyDown, widenedSum } from './fused.js';
import { PackedTile } from './packed-tile.js';
import { codeTables } from './packed-words.js';
import { coordinates, type OrientedView, partOfInner } from './parameters.js';
import { aboutProduct, productIn } from './product-work.js';
import { ProductTile } from './tile.js';

/**
 * The kernel of every product of a plan: forward and backward GEMMs, P = x R, sums over tokens, weight space. A workgroup
 * computes a BM x BN tile of the result, an invocation TM x TN of it in registers; tiles of both operands pass through
 * workgroup memory, BK of the inner dimension at a time. Every segment starts with a new tile, so its last tile is padded
 * with zeros and never mixes with the next segment (concat-K).
 */
export function productKernel(launch: Launch): Kernel {
  return new ProductKernel(launch, productIn(launch)).kernel();
}

/** A tile as it is copied: height x width of an operand from (i0, j0) on, and where its elements are. */
interface Staged {
  readonly height: number;
  readonly width: number;
  readonly i0: U32;
  readonly j0: U32;
  readonly slow: 'i' | 'j';
  readonly pitch: number;
}

class ProductKernel {
  readonly #tile: ProductTile;

  constructor(
    readonly launch: Launch,
    readonly work: Product,
  ) {
    this.#tile = new ProductTile(work, launch.schedule);
  }

  kernel(): Kernel {
    const tile = this.#tile;
    const { chain } = this.work;
    const tables = codeTables(this.work.segments, tile.lane, tile.threads);
    const parts = [
      ...this.work.segments.flatMap((_, index) => this.#segment(index)),
      ...widenedSum(tile),
      ...(chain ? chained(tile, this.launch.name, chain) : tile.stores('acc', tile.cols)),
    ];
    return {
      name: this.launch.name,
      about: aboutProduct(this.launch, this.work, `tiles ${scheduleText(this.#tile.schedule)}`),
      workgroup: [this.#tile.threads, 1, 1],
      ...this.#tile.params.list(),
      arrays: [...this.#tile.arrays, ...tables.arrays],
      body: [...tile.places(), ...tables.fill, ...parts],
    };
  }

  /** Adds the product of one segment to the accumulators. */
  #segment(index: number): Stmt[] {
    const { a, b, inner } = this.work.segments[index]!;
    const { BM, BK } = this.#tile.schedule;
    const length = this.#tile.params.length(inner);
    const readA = this.#tile.params.operand(a, this.#tile.rows, length, this.#tile.row0);
    const n = `${index}`;
    const { packed } = b.matrix;
    // a part begins with a word
    const { share, from, end } = partOfInner(this.work.parts, length, n, packed ? 32 / packed.bits : 1);
    const stageB = this.#stagingB(n, b, length, end);
    const { widen } = this.work;
    const down =
      widen && index === 0
        ? this.#tile.params.operand(widen.down, length, u32(widen.rank), this.#tile.row0)
        : null;
    return [
      comment(`inner dimension of ${a.matrix.buffer} and ${b.matrix.buffer}, ${BK} at a time`),
      ...share,
      loop(`k0_${n}`, from, end, u32(BK), (k0) => [
        this.#stage(
          `a${n}`,
          'tile_a',
          readA,
          { height: BM, width: BK, i0: this.#tile.row0, j0: k0, slow: 'j', pitch: this.#tile.pitchA },
          this.#tile.rows,
          end,
        ),
        stageB(k0),
        ...(down && widen
          ? [
              this.#stage(
                `d${n}`,
                'tile_d',
                down,
                { height: BK, width: widen.rank, i0: k0, j0: u32(0), slow: 'i', pitch: widen.rank },
                end,
                u32(widen.rank),
              ),
            ]
          : []),
        barrier,
        this.#multiply(n),
        ...(down && widen ? [multiplyDown(this.#tile, n, widen.rank)] : []),
        barrier,
      ]),
    ];
  }

  /** What copies the second operand's tile from an element of the inner dimension on. */
  #stagingB(n: string, b: Operand, length: U32, end: U32): (k0: U32) => Stmt {
    const { params, pitchB: pitch, lane, row0, col0, cols, threads } = this.#tile;
    const { BN, BK } = this.#tile.schedule;
    const { matrix, transposed } = b;
    if (!matrix.packed) {
      const read = params.operand(b, length, cols, row0);
      const staged = { height: BK, width: BN, j0: col0, slow: 'i', pitch } as const;
      return (k0) => this.#stage(`b${n}`, 'tile_b', read, { ...staged, i0: k0 }, end, cols);
    }
    const [height, width] = transposed ? [BN, BK] : [BK, BN];
    const shape = { height, width, pitch, transposed };
    const views = params.packed(matrix, matrix.packed);
    const tile = new PackedTile(this.launch.name, views, matrix.packed, shape, threads);
    return (k0) =>
      tile.stage(`b${n}`, 'tile_b', [k0, col0], lane, (row, col) => {
        const [i, j] = transposed ? [col, row] : [row, col];
        return add(mul(i, u32(pitch)), j);
      });
  }

  /**
   * Copies a height x width tile into workgroup memory, zero where the matrix ends; axis `slow` varies slowly there,
   * `pitch` elements each. Neighbouring invocations read neighbouring elements of the stored matrix.
   */
  #stage(
    name: string,
    tile: string,
    read: OrientedView,
    { height, width, i0, j0, slow, pitch }: Staged,
    rows: U32,
    cols: U32,
  ): Stmt {
    return loop(`e_${name}`, this.#tile.lane, u32(height * width), u32(this.#tile.threads), (e) => {
      const [i, j] = read.transposed
        ? [mod(e, u32(height)), div(e, u32(height))]
        : [div(e, u32(width)), mod(e, u32(width))];
      const [row, col] = [ref('u32', `row_${name}`), ref('u32', `col_${name}`)];
      const index = slow === 'j' ? add(mul(j, u32(pitch)), i) : add(mul(i, u32(pitch)), j);
      const inside = and(lt(row, rows), lt(col, cols));
      return [
        define(`row_${name}`, add(i0, i)),
        define(`col_${name}`, add(j0, j)),
        poke(tile, index, load(read.view, coordinates(read, row, col), inside)),
      ];
    });
  }

  /** acc += tile_a tile_b for this invocation's TM x TN. */
  #multiply(n: string): Stmt {
    const { pitchA, pitchB } = this.#tile;
    const { BK, TM, TN } = this.#tile.schedule;
    return loop(`k_${n}`, u32(0), u32(BK), u32(1), (k) => [
      repeat(`ia_${n}`, TM, (i) => [
        poke('col_a', i, peek('tile_a', add(mul(k, u32(pitchA)), add(this.#tile.tileRow, i)))),
      ]),
      repeat(`jb_${n}`, TN, (j) => [
        poke('row_b', j, peek('tile_b', add(mul(k, u32(pitchB)), add(this.#tile.tileCol, j)))),
      ]),
      repeat(`i_${n}`, TM, (i) => [
        repeat(`j_${n}`, TN, (j) => {
          const at = add(mul(i, u32(TN)), j);
          return [poke('acc', at, fma(peek('col_a', i), peek('row_b', j), peek('acc', at)))];
        }),
      ]),
    ]);
  }
}
