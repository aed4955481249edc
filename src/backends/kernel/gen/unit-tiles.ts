import {
  add,
  and,
  type Bool,
  define,
  div,
  type F32x4,
  load,
  load4,
  loop,
  lt,
  min,
  mod,
  mul,
  part,
  poke,
  quarter,
  ref,
  repeat,
  type Stmt,
  type U32,
  u32,
} from '../ir/kir.js';
import type { Extent, KernelDtype, Operand } from '../model/types.js';
import { rowPad, vectorWidth } from '../plan/padded-tiles.js';
import { VECTOR } from '../plan/vectors.js';
import { coordinates, type OrientedView } from './parameters.js';
import { QUAD } from './quads.js';

/** A tile of an operand in workgroup memory, stored as the operand is: neighbours in memory stay neighbours. */
export interface TileShape {
  /** rows in memory and their useful length */
  readonly height: number;
  readonly width: number;
  /** elements from row to row: rows begin in different banks */
  readonly pitch: number;
  /** the tile is stored as the transpose of the operand */
  readonly transposed: boolean;
  /**
   * Rows four apart in memory are neighbours here, and the 16 bytes of a row are turned further from one 128 bytes to the next: threads that
   * read every fourth row ask different banks. Of f32, rows of at most 128 bytes. Where rows are padded these are not turned.
   */
  readonly spread?: true;
}

/** The row in memory that has a place in a tile whose rows are spread. */
export const rowAt = ({ height }: TileShape, place: U32): U32 =>
  add(mul(mod(place, u32(height / 4)), u32(4)), div(place, u32(height / 4)));

/** Where in its row such a tile has an element, of which 16 bytes begin at `along`. */
export function turnedAt({ width, pitch }: TileShape, place: U32, along: U32): U32 {
  if (pitch > width) return mul(quarter(along), u32(4));
  const vectors = width / 4;
  const turns = div(place, u32(Math.max(1, 8 / vectors)));
  return mul(mod(add(quarter(along), turns), u32(vectors)), u32(4));
}

/** The tile of rows x cols of an operand. `rowsOuter`: the rows are not the inner dimension of the product. */
export function tileShape(
  { transposed }: Pick<Operand, 'transposed'>,
  rows: number,
  cols: number,
  rowsOuter: boolean,
  elem: KernelDtype,
): TileShape {
  const [height, width] = transposed ? [cols, rows] : [rows, cols];
  return { height, width, pitch: width + rowPad(elem, transposed !== rowsOuter), transposed };
}

export const tileElements = ({ height, pitch }: TileShape): number => height * pitch;

/**
 * Whether an operand can be copied 16 bytes at a time: it has the type of the tile, and its rows, and what a tile takes of
 * them, lie on multiples of 16 bytes. `along`: its length along a row of memory.
 */
export function inVectors({ matrix, perRowBlock }: Operand, along: Extent, elem: KernelDtype): boolean {
  const count = vectorWidth(elem);
  const whole = (extent: Extent) => typeof extent === 'number' && extent % count === 0;
  return (
    matrix.dtype === elem && [matrix.offset, matrix.rowStride, along, perRowBlock?.stride ?? 0].every(whole)
  );
}

/** The number of the `q`-th part that a thread has of `parts`: what defines it, and a condition where not every thread has as many. */
export function ownPart(
  name: string,
  parts: number,
  threads: number,
  q: U32,
  lane: U32,
): readonly [definition: Stmt, own: U32, mine: Bool | null] {
  const e = add(lane, mul(q, u32(threads)));
  const whole = parts % threads === 0;
  return [
    define(name, whole ? e : min(e, u32(parts - 1))),
    ref('u32', name),
    whole ? null : lt(e, u32(parts)),
  ];
}

/** Four neighbours of a buffer as elements of a tile. */
const fours = (array: string, index: U32, four: F32x4, name: string): readonly Stmt[] => [
  define(`four_${name}`, four),
  ...QUAD.map((c) => poke(array, add(index, u32(c)), part(ref('f32x4', `four_${name}`), c))),
];

/** Threads whose copies of 16 bytes fill all banks once. */
const AT_ONCE = 8;

/**
 * The row in memory that the `place`-th threads copy. Eight threads that copy several short rows at once take rows that do not begin in
 * each other's banks: of rows of 64 bytes, 80 apart, every fourth.
 */
function rowOfCopy({ width, pitch, spread }: TileShape, elem: KernelDtype, place: U32): U32 {
  const step = vectorWidth(elem);
  const across = width / step;
  const together = AT_ONCE / across;
  if (spread || !Number.isInteger(together)) return place;
  const pieces = (apart: number) =>
    Array.from({ length: AT_ONCE }, (_, n) => (Math.floor(n / across) * apart * pitch) / step + (n % across));
  const apart = [1, 2, 4]
    .filter((rows) => rows * together <= AT_ONCE)
    .find((rows) => new Set(pieces(rows).map((piece) => piece % AT_ONCE)).size === AT_ONCE);
  if (apart === undefined || apart === 1) return place;
  const block = u32(apart * together);
  return add(
    mul(div(place, block), block),
    add(mul(mod(place, u32(together)), u32(apart)), div(mod(place, block), u32(together))),
  );
}

/** What is loaded into workgroup memory: part of an operand from logical (i0, j0) on. */
export interface Bring {
  /** suffix of names */
  readonly name: string;
  readonly array: string;
  /** first element in the array */
  readonly base: U32;
  readonly shape: TileShape;
  readonly read: OrientedView;
  readonly i0: U32;
  readonly j0: U32;
  /** logical bounds: elements beyond are 0 */
  readonly rows: U32;
  readonly cols: U32;
  readonly lane: U32;
  readonly threads: number;
  readonly elem: KernelDtype;
  /** in asynchronous copies of 16 bytes, in ordinary loads of four neighbours, or element by element */
  readonly loads: 'copies' | 'fours' | 'elements';
}

/** All threads together load a tile. */
export function bring(bring: Bring): Stmt {
  const { name, array, base, shape, read, lane, threads, elem, loads } = bring;
  const vectors = loads !== 'elements';
  const step = { copies: vectorWidth(elem), fours: VECTOR, elements: 1 }[loads];
  const across = shape.width / step;
  const copied = (down: U32, along: U32): readonly Stmt[] => {
    const [height, width] = [shape.spread ? rowAt(shape, down) : down, along];
    const [i, j] = shape.transposed ? [width, height] : [height, width];
    const [row, col] = [ref('u32', `row_${name}`), ref('u32', `col_${name}`)];
    const one = vectors ? u32(0) : mod(along, u32(4));
    const within = shape.spread ? add(turnedAt(shape, down, along), one) : along;
    const index = add(base, add(mul(down, u32(shape.pitch)), within));
    const inside = and(lt(row, bring.rows), lt(col, bring.cols));
    const at = coordinates(read, row, col);
    return [
      define(`row_${name}`, add(bring.i0, i)),
      define(`col_${name}`, add(bring.j0, j)),
      ...(loads === 'copies'
        ? [{ s: 'copy', array, index, view: read.view, at, count: step, mask: inside } as const]
        : loads === 'elements'
          ? [poke(array, index, load(read.view, at, inside))]
          : fours(array, index, load4(read.view, at, inside), name)),
    ];
  };
  // copies are written out where every thread makes as many: it stays in its column, and the rows are a constant apart
  if (loads === 'copies' && threads % across === 0 && (shape.height * across) % threads === 0) {
    const column = mul(mod(lane, u32(across)), u32(step));
    const row = rowOfCopy(shape, elem, div(lane, u32(across)));
    return repeat(`q_${name}`, (shape.height * across) / threads, (q) =>
      copied(add(row, mul(q, u32(threads / across))), column),
    );
  }
  return loop(`e_${name}`, lane, u32(shape.height * across), u32(threads), (e) =>
    copied(div(e, u32(across)), mul(mod(e, u32(across)), u32(step))),
  );
}
