import {
  type ArrayDecl,
  add,
  and,
  define,
  div,
  load,
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
import type { Extent, Operand } from '../model/types.js';
import { eightsOf, VECTOR } from '../plan/vectors.js';
import { coordinates, type OrientedView } from './parameters.js';
import { ownPart, rowAt, type TileShape, turnedAt } from './unit-tiles.js';

/** What is loaded: part of an operand from logical (i0, j0) on; elements beyond `rows` and `cols` are 0. */
interface Source {
  readonly read: OrientedView;
  readonly i0: U32;
  readonly j0: U32;
  readonly rows: U32;
  readonly cols: U32;
}

/**
 * A tile that comes through registers, for machines whose copies do not run by themselves: every thread loads its part (`fetch`) before
 * the tile in workgroup memory is multiplied, and writes it there, as float32, after that (`put`): the loads are under way meanwhile.
 */
export class StagedTile {
  /** neighbours that are loaded at once, and how often a thread does */
  readonly each: 1 | 8;
  readonly #times: number;
  readonly #parts: number;

  /** `along`: length of the operand along a row of memory. */
  constructor(
    readonly array: 'tile_a' | 'tile_b',
    operand: Operand,
    along: Extent,
    readonly shape: TileShape,
    readonly threads: number,
  ) {
    const { offset, rowStride } = operand.matrix;
    const whole = [offset, rowStride, along, shape.width].every(
      (extent) => typeof extent === 'number' && eightsOf(extent) === 8,
    );
    this.each = whole ? 8 : 1;
    this.#parts = (shape.height * shape.width) / this.each;
    this.#times = Math.ceil(this.#parts / threads);
  }

  /** Numbers that a thread holds. */
  get held(): number {
    return this.#times * this.each;
  }

  /** The registers of such tiles. */
  get #registers(): string {
    return registersOf(this.array);
  }

  fetch(name: string, { read, i0, j0, rows, cols }: Source, lane: U32): Stmt {
    return repeat(`q_${name}`, this.#times, (q) => {
      const [own, e] = ownPart(`part_${name}`, this.#parts, this.threads, q, lane);
      const [down, width] = this.#within(e);
      const height = this.shape.spread ? rowAt(this.shape, down) : down;
      const [i, j] = this.shape.transposed ? [width, height] : [height, width];
      const [row, col] = [ref('u32', `row_${name}`), ref('u32', `col_${name}`)];
      const mask = and(lt(row, rows), lt(col, cols));
      const at = coordinates(read, row, col);
      return [
        own,
        define(`row_${name}`, add(i0, i)),
        define(`col_${name}`, add(j0, j)),
        this.each === 8
          ? { s: 'load8', array: this.#registers, index: mul(q, u32(8)), view: read.view, at, mask }
          : poke(this.#registers, q, load(read.view, at, mask)),
      ];
    });
  }

  /** To a tile in workgroup memory that begins at `base`. */
  put(name: string, base: U32, lane: U32): Stmt {
    const { shape, array } = this;
    return repeat(`q_${name}`, this.#times, (q) => {
      const [own, e, mine] = ownPart(`part_${name}`, this.#parts, this.threads, q, lane);
      const [down, along] = this.#within(e);
      const place = (within: U32) => add(base, add(mul(down, u32(shape.pitch)), within));
      const body =
        this.each === 8
          ? [0, VECTOR].map((n): Stmt => {
              const first = add(along, u32(n));
              const within = shape.spread ? turnedAt(shape, down, first) : first;
              const at = add(mul(q, u32(8)), u32(n));
              return { s: 'put', array, index: place(within), from: this.#registers, at };
            })
          : [
              poke(
                array,
                place(shape.spread ? add(turnedAt(shape, down, along), mod(along, u32(VECTOR))) : along),
                peek(this.#registers, q),
              ),
            ];
      return [own, ...(mine ? [{ s: 'if', cond: mine, body } as const] : body)];
    });
  }

  /** Row and column of a part in the tile. */
  #within(e: U32): readonly [down: U32, along: U32] {
    const across = u32(this.shape.width / this.each);
    return [div(e, across), mul(mod(e, across), u32(this.each))];
  }
}

const registersOf = (array: string): string => array.replace('tile', 'next');

/** The registers that some tiles need, one after another. */
export function stagedArrays(tiles: readonly StagedTile[]): readonly ArrayDecl[] {
  return (['tile_a', 'tile_b'] as const).flatMap((array) => {
    const held = tiles.filter((tile) => tile.array === array).map((tile) => tile.held);
    return held.length === 0
      ? []
      : [{ name: registersOf(array), space: 'register' as const, size: Math.max(...held) }];
  });
}
