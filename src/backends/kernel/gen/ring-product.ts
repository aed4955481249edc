import type { SubgroupMatrix } from '../device/subgroup-matrices.js';
import {
  type ArrayDecl,
  add,
  type Bool,
  barrier,
  comment,
  define,
  div,
  id,
  type Kernel,
  loop,
  lt,
  min,
  mod,
  mul,
  ref,
  type Stmt,
  sub,
  type U32,
  u32,
} from '../ir/kir.js';
import type { FragmentDecl } from '../ir/units.js';
import type { Extent, KernelDtype, Launch, Operand, Product, Segment } from '../model/types.js';
import { type Results, storeResults, storeVectors } from './epilogue.js';
import { PackedTile, packedArrays } from './packed-tile.js';
import { codeTables } from './packed-words.js';
import { Parameters } from './parameters.js';
import { aboutProduct } from './product-work.js';
import { StagedTile, stagedArrays } from './staged-tile.js';
import { bring, inVectors, type TileShape, tileElements } from './unit-tiles.js';

/** What multiplies the tiles of a ring, and how they lie there. */
export interface Multiplier {
  /** type of the elements of tiles */
  readonly elem: KernelDtype;
  readonly threads: number;
  /** blocks that are to run on a multiprocessor at once, where they have registers enough */
  readonly atOnce?: number;
  /** tiles in words */
  readonly how: string;
  /** registers of a thread, `acc` among them */
  readonly registers: readonly ArrayDecl[];
  readonly fragments: readonly FragmentDecl[];
  shape(operand: Operand, rows: number, cols: number, rowsOuter: boolean): TileShape;
  /** where the results of a thread, or of its warp, lie in the tile */
  places(lane: U32): readonly Stmt[];
  /** acc += tile_a tile_b, which begin at these elements */
  multiply(tiles: RingTiles, n: string, first: { readonly a: U32; readonly b: U32 }): readonly Stmt[];
  /** the results of a thread; `row` and `col` from the first of the tile on */
  results(lane: U32): Pick<Results, 'row' | 'col' | 'each'>;
  /** buffers are read and written four neighbours at a time, in ordinary loads: what multiplies, and how results come to `acc`, as vectors */
  readonly vectors?: { readonly matrix: SubgroupMatrix; gather(lane: U32): readonly Stmt[] };
}

export interface RingTiles {
  readonly a: TileShape;
  readonly b: TileShape;
}

/**
 * The kernel of a product of which tiles of both operands are in a ring of `stages`: while one is multiplied, the next ones are being
 * loaded (`cp.async`; sm_80 and up), or, in a ring of two that is `staged`, the next one is on its way to registers, or, in one of `vectors`,
 * it is copied before that one is multiplied. Segments of the inner dimension follow each other in one ring (concat-K): the
 * loader turns from (x, W) to (P, L') at a tile's boundary, which is the same for the whole block.
 */
export const ringKernel = (launch: Launch, work: Product, multiplier: Multiplier): Kernel =>
  new RingProduct(launch, work, multiplier).kernel();

/** Rows of tiles that blocks go down before the next column. */
const RASTER = 8;

/** A segment as it is brought in: the shapes of its tiles and whether they come in vectors. */
interface SegmentTiles extends RingTiles {
  readonly segment: Segment;
  readonly index: number;
  /** how b is unpacked; null: its numbers are stored as they are */
  readonly packed: PackedTile | null;
  /** how tiles come through registers; null: copies bring them */
  readonly staged: { readonly a: StagedTile; readonly b: StagedTile | null } | null;
}

/** What is done for a tile of a segment: `name` for names, its first element of the inner dimension, and its place in the ring. */
type Bringing = (plan: SegmentTiles, name: string, k0: U32, stage: U32) => readonly Stmt[];

class RingProduct {
  readonly #params: Parameters;
  readonly #runs: SegmentTiles[][] = [];
  readonly #lane = ref('u32', 'lane');
  readonly #row0 = ref('u32', 'row0');
  readonly #col0 = ref('u32', 'col0');
  readonly #rows: U32;
  readonly #cols: U32;
  readonly #sizeA: number;
  readonly #sizeB: number;

  constructor(
    readonly launch: Launch,
    readonly work: Product,
    readonly multiplier: Multiplier,
  ) {
    const { BM, BN, BK } = launch.schedule;
    const { threads } = multiplier;
    this.#params = new Parameters(multiplier.vectors ? 'vectors' : 'elements');
    this.#rows = this.#params.length(work.rows);
    this.#cols = this.#params.length(work.cols);
    // neighbours whose tiles are stored alike share a ring
    for (const [index, segment] of work.segments.entries()) {
      const a = multiplier.shape(segment.a, BM, BK, true);
      const b = multiplier.shape(segment.b, BK, BN, false);
      const last = this.#runs.at(-1)?.[0];
      const alike = last?.a.transposed === a.transposed && last.b.transposed === b.transposed;
      const { matrix } = segment.b;
      const packed = matrix.packed
        ? new PackedTile(launch.name, this.#params.packed(matrix, matrix.packed), matrix.packed, b, threads)
        : null;
      const staged = launch.schedule.staged
        ? {
            a: new StagedTile('tile_a', segment.a, a.transposed ? work.rows : segment.inner, a, threads),
            b: packed
              ? null
              : new StagedTile('tile_b', segment.b, b.transposed ? segment.inner : work.cols, b, threads),
          }
        : null;
      const plan = { segment, index, a, b, packed, staged };
      if (alike) this.#runs.at(-1)!.push(plan);
      else this.#runs.push([plan]);
    }
    const plans = this.#runs.flat();
    this.#sizeA = Math.max(...plans.map(({ a }) => tileElements(a)));
    this.#sizeB = Math.max(...plans.map(({ b }) => tileElements(b)));
  }

  kernel(): Kernel {
    const { schedule, name } = this.launch;
    const { elem, registers, fragments, threads, how, atOnce, vectors } = this.multiplier;
    const { stages, staged } = schedule;
    const plans = this.#runs.flat();
    const tables = codeTables(this.work.segments, this.#lane, threads);
    const ring = { space: 'workgroup', stages, ...(elem === 'f32' ? {} : { elem }) } as const;
    const arrays: ArrayDecl[] = [
      { name: 'tile_a', size: stages * this.#sizeA, ...ring },
      { name: 'tile_b', size: stages * this.#sizeB, ...ring },
      ...registers,
      ...packedArrays(plans.flatMap(({ packed }) => packed ?? [])),
      ...stagedArrays(plans.flatMap(({ staged }) => (staged ? [staged.a, staged.b ?? []].flat() : []))),
      ...tables.arrays,
    ];
    const body = [...this.#runs.flatMap((run, index) => this.#run(run, index)), ...this.#results()];
    return {
      name,
      about: aboutProduct(this.launch, this.work, how),
      workgroup: [threads, 1, 1],
      ...(atOnce === undefined || staged ? {} : { atOnce }),
      ...this.#params.list(),
      arrays,
      ...(staged ? { eights: true, staged } : { fragments }),
      ...(vectors ? { matrix: vectors.matrix } : {}),
      body: [
        define('lane', id('local', 0)),
        ...this.#tiles(),
        ...this.#params.lookups,
        ...tables.fill,
        ...this.multiplier.places(this.#lane),
        ...body,
      ],
    };
  }

  /**
   * The tile of a block. Blocks go down eight rows of tiles before they go on to the next column, so that those that run together
   * read the same rows and columns.
   */
  #tiles(): Stmt[] {
    const { BM, BN } = this.launch.schedule;
    const { cols, parts } = this.work;
    const across = typeof cols === 'number' ? Math.ceil(cols / BN) : 0;
    if (across < 2 || parts > 1)
      return [define('row0', mul(id('group', 1), u32(BM))), define('col0', mul(id('group', 0), u32(BN)))];
    const rows = div(add(this.#rows, u32(BM - 1)), u32(BM));
    const [block, first, tall] = [ref('u32', 'block'), ref('u32', 'first_tile'), ref('u32', 'tall')];
    const own = mod(block, u32(RASTER * across));
    return [
      define('block', add(mul(id('group', 1), u32(across)), id('group', 0))),
      define('first_tile', mul(div(block, u32(RASTER * across)), u32(RASTER))),
      define('tall', min(sub(rows, first), u32(RASTER))),
      define('row0', mul(add(first, mod(own, tall)), u32(BM))),
      define('col0', mul(div(own, tall), u32(BN))),
    ];
  }

  /** Segments that share a ring: fill all stages but one, then bring the tile after those while one is multiplied. */
  #run(run: readonly SegmentTiles[], number: number): Stmt[] {
    const { BK, stages, staged } = this.launch.schedule;
    const n = `${number}`;
    const split = this.work.parts > 1;
    const counts = run.map(({ segment }) =>
      div(add(this.#params.length(segment.inner), u32(BK - 1)), u32(BK)),
    );
    // the first tile of each segment, and the end of those that this block multiplies
    const firsts = counts.map((_, at) => counts.slice(0, at).reduce(add, u32(0)));
    const [from, to] = [
      split ? ref('u32', `from_${n}`) : u32(0),
      ref('u32', `${split ? 'to' : 'tiles'}_${n}`),
    ];
    const names = run.map(({ segment: { a, b } }) => `${a.matrix.buffer} ${b.matrix.buffer}`);
    const inSegments = (
      t: U32,
      plans: readonly SegmentTiles[],
      when: string,
      body: Bringing,
      bringsLater = false,
    ): Stmt[] =>
      plans.map((plan): Stmt => {
        const at = run.indexOf(plan);
        const k0 = mul(sub(t, firsts[at]!), u32(BK));
        const name = `${when}${plan.index}`;
        const stage = bringsLater ? [] : [define(`stage_${name}`, mod(t, u32(stages)))];
        const own = at + 1 < run.length ? firsts[at + 1]! : to;
        const cond = within(t, firsts[at]!, split && own !== to ? min(own, to) : own);
        return { s: 'if', cond, body: [...stage, ...body(plan, name, k0, ref('u32', `stage_${name}`))] };
      });
    const issue = (t: U32, when: string) =>
      inSegments(t, run, when, (...tile) => this.#bring(...tile), staged === true);
    // words wait in registers while a tile is multiplied, and are unpacked after that
    const packed = run.filter((plan) => plan.packed);
    const unpack = (t: U32, when: string) =>
      inSegments(t, packed, `${when}unpacked_`, ({ packed: tile }, name, _, stage) =>
        tile!.unpack(name, 'tile_b', mul(stage, u32(this.#sizeB)), this.#lane),
      );
    // and numbers are put there
    const put = (t: U32, when: string) =>
      inSegments(t, run, `${when}put_`, ({ staged: tiles }, name, _, stage) => [
        tiles!.a.put(`a_${name}`, mul(stage, u32(this.#sizeA)), this.#lane),
        ...(tiles!.b ? [tiles!.b.put(`b_${name}`, mul(stage, u32(this.#sizeB)), this.#lane)] : []),
      ]);
    const settle = (t: U32, when: string) => [...(staged ? put(t, when) : []), ...unpack(t, when)];
    const copies = (stmt: Stmt): Stmt[] => (staged || this.multiplier.vectors ? [] : [stmt]);
    return [
      comment(
        `${names.join(', then ')}: ${BK} of the inner dimension in a tile, ${stages} tiles in the ring`,
      ),
      ...(split ? this.#share(counts.reduce(add), n) : [define(`tiles_${n}`, counts.reduce(add))]),
      loop(`t0_${n}`, from, add(from, u32(stages - 1)), u32(1), (t) => [
        ...issue(t, 'first_'),
        ...settle(t, 'first_'),
        ...copies({ s: 'commit' }),
      ]),
      loop(`t_${n}`, from, to, u32(1), (t) => [
        ...copies({ s: 'wait', pending: stages - 2 }),
        barrier,
        define(`next_${n}`, add(t, u32(stages - 1))),
        ...issue(ref('u32', `next_${n}`), 'next_'),
        ...copies({ s: 'commit' }),
        define(`stage_${n}`, mod(t, u32(stages))),
        ...this.multiplier.multiply(run[0]!, n, {
          a: mul(ref('u32', `stage_${n}`), u32(this.#sizeA)),
          b: mul(ref('u32', `stage_${n}`), u32(this.#sizeB)),
        }),
        ...settle(ref('u32', `next_${n}`), 'next_'),
      ]),
      ...(number + 1 < this.#runs.length ? [...copies({ s: 'wait', pending: 0 }), barrier] : []),
    ];
  }

  /** Of the tiles of a ring those that belong to this block, where the inner dimension is split. */
  #share(tiles: U32, n: string): Stmt[] {
    const share = div(add(tiles, u32(this.work.parts - 1)), u32(this.work.parts));
    return [
      // the last blocks may have nothing
      define(`from_${n}`, min(mul(id('group', 2), share), tiles)),
      define(`to_${n}`, min(add(ref('u32', `from_${n}`), share), tiles)),
    ];
  }

  #bring({ segment, a, b, packed, staged }: SegmentTiles, name: string, k0: U32, stage: U32): Stmt[] {
    const { inner } = segment;
    const length = this.#params.length(inner);
    const { elem, threads } = this.multiplier;
    const shared = { elem, lane: this.#lane, threads };
    const fours = this.multiplier.vectors !== undefined;
    const inWhole = (operand: Operand, along: Extent) =>
      fours ? 'fours' : inVectors(operand, along, elem) ? 'copies' : 'elements';
    const readA = this.#params.operand(segment.a, this.#rows, length, this.#row0);
    const first = [k0, this.#col0] as const;
    const words = packed?.fetch(`b_${name}`, first, this.#lane);
    if (staged) {
      const ofA = { read: readA, i0: this.#row0, j0: k0, rows: this.#rows, cols: length };
      const tileA = staged.a.fetch(`a_${name}`, ofA, this.#lane);
      if (words) return [tileA, words];
      const readB = this.#params.operand(segment.b, length, this.#cols, this.#row0);
      const ofB = { read: readB, i0: k0, j0: this.#col0, rows: length, cols: this.#cols };
      return [tileA, staged.b!.fetch(`b_${name}`, ofB, this.#lane)];
    }
    const tileB = () =>
      bring({
        ...shared,
        name: `b_${name}`,
        array: 'tile_b',
        base: mul(stage, u32(this.#sizeB)),
        shape: b,
        read: this.#params.operand(segment.b, length, this.#cols, this.#row0),
        i0: first[0],
        j0: first[1],
        rows: length,
        cols: this.#cols,
        loads: inWhole(segment.b, b.transposed ? inner : this.work.cols),
      });
    return [
      bring({
        ...shared,
        name: `a_${name}`,
        array: 'tile_a',
        base: mul(stage, u32(this.#sizeA)),
        shape: a,
        read: readA,
        i0: this.#row0,
        j0: k0,
        rows: this.#rows,
        cols: length,
        loads: inWhole(segment.a, a.transposed ? this.work.rows : inner),
      }),
      words ?? tileB(),
    ];
  }

  #results(): Stmt[] {
    const { row, col, each } = this.multiplier.results(this.#lane);
    const results = {
      array: 'acc',
      row: add(this.#row0, row),
      col: add(this.#col0, col),
      rows: this.#rows,
      cols: this.#cols,
      each,
    };
    const { vectors } = this.multiplier;
    return vectors
      ? [...vectors.gather(this.#lane), ...storeVectors(this.#params, this.work, results)]
      : storeResults(this.#params, this.work, { ...results, paired: true });
  }
}

/** from <= t < to */
function within(t: U32, from: U32, to: U32): Bool {
  const below = lt(t, to);
  if (from.e === 'lit' && from.value === 0) return below;
  return { type: 'bool', e: 'and', a: lt(from, add(t, u32(1))), b: below };
}
