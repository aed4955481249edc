import {
  type ArrayDecl,
  add,
  and,
  barrier,
  comment,
  define,
  div,
  type F16x4,
  type F32x4,
  fma,
  id,
  type Kernel,
  load4,
  loop,
  lt,
  mod,
  mul,
  NO_HALVES,
  part,
  peek4,
  peekHalves,
  poke,
  type Quarter,
  ref,
  repeat,
  type Stmt,
  splat,
  spread,
  type U32,
  u32,
  widened,
} from '../ir/kir.js';
import type { Launch, Operand, Product, TileSchedule } from '../model/types.js';
import { scheduleText } from '../plan/schedule.js';
import { VECTOR } from '../plan/vectors.js';
import { storeVectors, tileOfResults } from './epilogue.js';
import { keptWords, PackedVectors, type TilesB } from './packed-vectors.js';
import { codeTables } from './packed-words.js';
import { type OrientedView, Parameters, partOfInner } from './parameters.js';
import { aboutProduct, productIn } from './product-work.js';
import { QUAD, turnedPart } from './quads.js';

/**
 * The kernel of a product of which all matrices are read and written four neighbours at once. A workgroup computes a BM x BN
 * tile of the result, an invocation TM x TN of it in vectors along its rows. Tiles of both operands lie in workgroup memory
 * as rows of vectors: x along the inner dimension, W along the columns. An operand that is stored the other way round is
 * turned four by four on its way there, and one that is packed is unpacked.
 */
export function vectorProductKernel(launch: Launch): Kernel {
  return new VectorProduct(launch, productIn(launch)).kernel();
}

/** Invocations whose vectors workgroup memory gives at once. */
const TOGETHER = 8;
/** From an element to the vector of which it is the first. */
const vectorAt = (element: U32): U32 => div(element, u32(VECTOR));

/** A tile as it is copied: height x width of an operand from (i0, j0) on. */
interface Staged {
  readonly height: number;
  readonly width: number;
  readonly i0: U32;
  readonly j0: U32;
  /** vectors from one row of the tile to the next */
  readonly pitch: number;
}

class VectorProduct {
  readonly #params = new Parameters('vectors');
  readonly #schedule: TileSchedule;
  readonly #threads: number;
  readonly #rows: U32;
  readonly #cols: U32;
  /** vectors from row to row of the tiles, and in a row of an invocation's results */
  readonly #pitchA: number;
  readonly #pitchB: number;
  readonly #across: number;
  readonly #lane = ref('u32', 'lane');
  readonly #row0 = ref('u32', 'row0');
  readonly #col0 = ref('u32', 'col0');
  /** first row, and first vector of a row, of the invocation within the tile */
  readonly #tileRow = ref('u32', 'tile_row');
  readonly #tileCol = ref('u32', 'tile_col');
  readonly #packed: PackedVectors[] = [];
  #turns = false;

  constructor(
    readonly launch: Launch,
    readonly work: Product,
  ) {
    const { BM, BN, BK, TM, TN, pad = 0 } = launch.schedule;
    this.#schedule = launch.schedule;
    this.#threads = (BM / TM) * (BN / TN);
    const turned = (which: 'a' | 'b') => work.segments.some((segment) => segment[which].transposed);
    // rows of whole vectors are written and read without conflicts but where they are turned, or read by few invocations each
    const few = BN / TN < TOGETHER;
    this.#pitchA = (BK + (turned('a') || few ? pad : 0)) / VECTOR;
    this.#pitchB = (BN + (turned('b') ? pad : 0)) / VECTOR;
    this.#across = TN / VECTOR;
    this.#rows = this.#params.length(work.rows);
    this.#cols = this.#params.length(work.cols);
  }

  kernel(): Kernel {
    const { work, launch } = this;
    const { BM, BN, TM, TN } = this.#schedule;
    const tables = codeTables(work.segments, this.#lane, this.#threads);
    const lanesAcross = u32(BN / TN);
    const body = [
      ...work.segments.flatMap((_, index) => this.#segment(index)),
      ...storeVectors(this.#params, work, {
        array: 'acc',
        row: add(this.#row0, this.#tileRow),
        col: add(this.#col0, mul(this.#tileCol, u32(VECTOR))),
        each: tileOfResults(TM, this.#across),
        rows: this.#rows,
        cols: this.#cols,
      }),
    ];
    return {
      name: launch.name,
      about: aboutProduct(launch, work, `tiles ${scheduleText(this.#schedule)}, in vectors`),
      workgroup: [this.#threads, 1, 1],
      ...this.#params.list(),
      arrays: [...this.#arrays(), ...tables.arrays],
      body: [
        define('lane', id('local', 0)),
        define('row0', mul(id('group', 1), u32(BM))),
        define('col0', mul(id('group', 0), u32(BN))),
        ...this.#params.lookups,
        define('tile_row', mul(div(this.#lane, lanesAcross), u32(TM))),
        define('tile_col', mul(mod(this.#lane, lanesAcross), u32(this.#across))),
        ...tables.fill,
        ...body,
      ],
    };
  }

  #arrays(): ArrayDecl[] {
    const { BM, BK, TM } = this.#schedule;
    const half = (which: 'a' | 'b') =>
      this.work.segments.every((segment) => segment[which].matrix.dtype === 'f16');
    const tile = (which: 'a' | 'b', size: number): ArrayDecl => ({
      name: `tile_${which}`,
      space: 'workgroup',
      size,
      vector: true,
      ...(half(which) ? { elem: 'f16' } : {}),
    });
    const registers = (name: string, size: number, elem?: 'f16'): ArrayDecl => ({
      name,
      space: 'register',
      size,
      vector: true,
      ...(elem ? { elem } : {}),
    });
    const own = this.#schedule.halfSums ? 'f16' : undefined;
    return [
      tile('a', BM * this.#pitchA),
      tile('b', BK * this.#pitchB),
      registers('acc', TM * this.#across),
      ...(own ? [registers('stretch', TM * this.#across, own)] : []),
      registers('col_a', 1, own),
      registers('row_b', VECTOR * this.#across, own),
      ...(this.#turns ? [registers('quad', VECTOR)] : []),
      ...keptWords(this.#packed),
    ];
  }

  /** Adds the product of one segment to the accumulators. */
  #segment(index: number): Stmt[] {
    const { a, b, inner } = this.work.segments[index]!;
    const { BM, BK } = this.#schedule;
    const length = this.#params.length(inner);
    const readA = this.#params.operand(a, this.#rows, length, this.#row0);
    const n = `${index}`;
    const { share, from, end } = partOfInner(this.work.parts, length, n);
    const tilesB = this.#tilesB(`b${n}`, b, length, end);
    const { stretch } = tilesB;
    return [
      comment(`inner dimension of ${a.matrix.buffer} and ${b.matrix.buffer}, ${BK} at a time`),
      ...share,
      loop(`k0_${n}`, from, end, u32(stretch), (k0) => {
        const tiles = (k: U32, nth: U32): Stmt[] => [
          this.#stage(
            `a${n}`,
            'tile_a',
            readA,
            { height: BM, width: BK, i0: this.#row0, j0: k, pitch: this.#pitchA },
            this.#rows,
            end,
          ),
          tilesB.tile(k, nth),
          barrier,
          ...(this.#schedule.halfSums ? this.#multiplyHalves(n) : [this.#multiply(n)]),
          barrier,
        ];
        if (stretch === BK) return [...tilesB.bring(k0), ...tiles(k0, u32(0))];
        // what was loaded at once is several tiles
        return [
          ...tilesB.bring(k0),
          loop(`nth_${n}`, u32(0), u32(stretch / BK), u32(1), (nth) =>
            tiles(add(k0, mul(nth, u32(BK))), nth),
          ),
        ];
      }),
    ];
  }

  /** How the second operand's tiles come to workgroup memory. */
  #tilesB(name: string, b: Operand, length: U32, end: U32): TilesB {
    const { BN, BK } = this.#schedule;
    if (b.matrix.packed) {
      const tiles = new PackedVectors(name, this.#params, b, this.#schedule, {
        lane: this.#lane,
        threads: this.#threads,
        col0: this.#col0,
        pitch: this.#pitchB,
      });
      this.#packed.push(tiles);
      return tiles;
    }
    const read = this.#params.operand(b, length, this.#cols, this.#row0);
    return {
      stretch: BK,
      bring: () => [],
      tile: (k0) =>
        this.#stage(
          name,
          'tile_b',
          read,
          { height: BK, width: BN, i0: k0, j0: this.#col0, pitch: this.#pitchB },
          end,
          this.#cols,
        ),
    };
  }

  /** Copies a height x width tile into workgroup memory, zero where the matrix ends. */
  #stage(name: string, tile: string, read: OrientedView, staged: Staged, rows: U32, cols: U32): Stmt {
    return read.transposed
      ? this.#turned(name, tile, read, staged, rows, cols)
      : this.#straight(name, tile, read, staged, rows, cols);
  }

  #straight(name: string, tile: string, read: OrientedView, staged: Staged, rows: U32, cols: U32): Stmt {
    const { height, width, i0, j0, pitch } = staged;
    const wide = u32(width / VECTOR);
    return loop(`e_${name}`, this.#lane, u32((height * width) / VECTOR), u32(this.#threads), (e) => {
      const [i, j] = [div(e, wide), mod(e, wide)];
      const row = ref('u32', `row_${name}`);
      const col = mul(ref('u32', `col_${name}`), u32(VECTOR));
      return [
        define(`row_${name}`, add(i0, i)),
        define(`col_${name}`, add(vectorAt(j0), j)),
        poke(
          tile,
          add(mul(i, u32(pitch)), j),
          load4(read.view, [row, col], and(lt(row, rows), lt(col, cols))),
        ),
      ];
    });
  }

  /** Four vectors along the rows become four along the columns. */
  #turned(name: string, tile: string, read: OrientedView, staged: Staged, rows: U32, cols: U32): Stmt {
    const { height, width, i0, j0, pitch } = staged;
    this.#turns = true;
    const high = u32(height / VECTOR);
    const blocks = (height * width) / (VECTOR * VECTOR);
    return loop(`e_${name}`, this.#lane, u32(blocks), u32(this.#threads), (e) => {
      const [i, j] = [mod(e, high), div(e, high)];
      const row = mul(ref('u32', `row_${name}`), u32(VECTOR));
      const col = ref('u32', `col_${name}`);
      return [
        define(`row_${name}`, add(vectorAt(i0), i)),
        define(`col_${name}`, add(j0, mul(j, u32(VECTOR)))),
        ...QUAD.map((c) => {
          const own = add(col, u32(c));
          return poke('quad', u32(c), load4(read.view, [own, row], and(lt(own, cols), lt(row, rows))));
        }),
        ...QUAD.map((c) =>
          poke(tile, add(mul(add(mul(i, u32(VECTOR)), u32(c)), u32(pitch)), j), turnedPart('quad', c)),
        ),
      ];
    });
  }

  /** acc += tile_a tile_b for this invocation's TM x TN, four of the inner dimension at a time. */
  #multiply(n: string): Stmt {
    return this.#each(n, peek4, (at, c, b) =>
      poke('acc', at, fma(splat(part(peek4('col_a', u32(0)), c)), b, peek4('acc', at))),
    );
  }

  /** The same, with the sums of the tiles in float16. */
  #multiplyHalves(n: string): Stmt[] {
    const all = this.#schedule.TM * this.#across;
    return [
      repeat(`e_zero_${n}`, all, (at) => [poke('stretch', at, NO_HALVES)]),
      this.#each(n, peekHalves, (at, c, b) =>
        poke('stretch', at, fma(spread(peekHalves('col_a', u32(0)), c), b, peekHalves('stretch', at))),
      ),
      repeat(`e_sum_${n}`, all, (at) => [
        poke('acc', at, add(peek4('acc', at), widened(peekHalves('stretch', at)))),
      ]),
    ];
  }

  /** For every vector of results, and every four of the inner dimension: `one` is given a number of `col_a` and a vector of `row_b`. */
  #each<T extends F32x4 | F16x4>(
    n: string,
    from: (array: string, index: U32) => T,
    one: (at: U32, of: Quarter, b: T) => Stmt,
  ): Stmt {
    const { BK, TM } = this.#schedule;
    const across = this.#across;
    return loop(`k_${n}`, u32(0), u32(BK / VECTOR), u32(1), (k) => [
      ...QUAD.map((c) =>
        repeat(`jb_${n}`, across, (j) => {
          const row = add(mul(k, u32(VECTOR)), u32(c));
          const index = add(mul(row, u32(this.#pitchB)), add(this.#tileCol, j));
          return [poke('row_b', add(u32(c * across), j), from('tile_b', index))];
        }),
      ),
      repeat(`i_${n}`, TM, (i) => [
        poke('col_a', u32(0), from('tile_a', add(mul(add(this.#tileRow, i), u32(this.#pitchA)), k))),
        repeat(`j_${n}`, across, (j) => {
          const at = add(mul(i, u32(across)), j);
          return QUAD.map((c) => one(at, c, from('row_b', add(u32(c * across), j))));
        }),
      ]),
    ]);
  }
}
