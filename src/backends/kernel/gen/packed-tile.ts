import { fail } from '../../../ir/diagnostics.js';
import { refused } from '../../codes/kernel-ir.js';
import {
  type ArrayDecl,
  add,
  div,
  load,
  loop,
  mod,
  mul,
  peek,
  poke,
  repeat,
  type Stmt,
  type U32,
  u32,
} from '../ir/kir.js';
import type { Packed } from '../model/types.js';
import { blockPlace, middleOf, PackedWords, tableName, zeroOf } from './packed-words.js';
import type { PackedViews } from './parameters.js';
import { ownPart, rowAt, type TileShape } from './unit-tiles.js';

/** Registers of an invocation: words, and the scale and zero of each group of them. */
const [WORDS, SCALES, ZEROS] = ['words', 'word_scales', 'word_zeros'] as const;

/**
 * A tile of a packed operand. What lies together in memory becomes a row of the tile. For a ring words are loaded to registers
 * first (`fetch`), as many at once as lie together in a block, and written to the tile as numbers when the tile before it has
 * been multiplied (`unpack`).
 */
export class PackedTile {
  readonly #numbers: number;
  /** words that are loaded at once, and how often an invocation does */
  readonly together: number;
  readonly groups: number;

  constructor(
    launch: string,
    readonly views: PackedViews,
    readonly packed: Packed,
    readonly shape: TileShape,
    readonly threads: number,
  ) {
    const { bits, block } = packed;
    this.#numbers = 32 / bits;
    const { height, width } = shape;
    if (width % this.#numbers !== 0) {
      const why = `a tile of ${width} packed numbers in a row has no whole words of ${this.#numbers}`;
      fail(refused({ launch, why }));
    }
    const fits = (words: number) =>
      block % (words * this.#numbers) === 0 && width % (words * this.#numbers) === 0;
    this.together = [4, 2, 1].find(fits)!;
    this.groups = Math.ceil((height * width) / (this.together * this.#numbers * threads));
  }

  /** Loads the words of the tile whose first element is logical (i0, j0). */
  fetch(name: string, first: readonly [i0: U32, j0: U32], lane: U32): Stmt {
    const { together, views, packed } = this;
    return repeat(`q_${name}`, this.groups, (q) => {
      const [e, own] = this.#own(`e_${name}`, q, lane);
      const { steps, place } = this.#place(name, first, own);
      const { row, col, block, inside } = place;
      const group = together * this.#numbers;
      const inBlock = mul(div(mod(col, u32(packed.block)), u32(group)), u32(together));
      const zero = zeroOf(views, packed, place, name);
      return [
        e,
        ...steps,
        {
          s: 'fetch',
          array: WORDS,
          at: mul(q, u32(together)),
          view: views.words,
          coordinates: [row, block, inBlock],
          count: together,
          mask: inside,
        },
        poke(SCALES, q, load(views.scales, [row, block], inside)),
        ...zero.steps,
        ...(views.zeros ? [poke(ZEROS, q, zero.value)] : []),
      ];
    });
  }

  /** Writes the numbers of these words to a tile in workgroup memory that begins at `base`. */
  unpack(name: string, array: string, base: U32, lane: U32): Stmt[] {
    const { together, packed, views, shape } = this;
    const of = (q: U32) =>
      packed.table
        ? { table: tableName(packed.table) }
        : { zero: views.zeros ? peek(ZEROS, q) : middleOf(packed) };
    return [
      repeat(`q_${name}`, this.groups, (q) => {
        const [e, own, mine] = this.#own(`e_${name}`, q, lane);
        const [down, along] = this.#within(own);
        const unpack: Stmt = {
          s: 'unpack',
          from: WORDS,
          at: mul(q, u32(together)),
          count: together,
          bits: packed.bits,
          array,
          index: add(base, add(mul(down, u32(shape.pitch)), along)),
          scale: peek(SCALES, q),
          of: of(q),
        };
        return [e, mine ? { s: 'if', cond: mine, body: [unpack] } : unpack];
      }),
    ];
  }

  /** Without matrix units: all invocations unpack a tile word by word; `at` gives the place of a row and column of memory in it. */
  stage(
    name: string,
    tile: string,
    first: readonly [i0: U32, j0: U32],
    lane: U32,
    at: (row: U32, col: U32) => U32,
  ): Stmt {
    const { packed, views, shape, threads } = this;
    const words = new PackedWords(views, packed);
    const count = (shape.height * shape.width) / this.#numbers;
    return loop(`e_${name}`, lane, u32(count), u32(threads), (e) => {
      const across = u32(shape.width / this.#numbers);
      const [down, along] = [div(e, across), mul(mod(e, across), u32(this.#numbers))];
      return [
        ...words.load(name, this.#inMemory(first, down, along)),
        ...Array.from({ length: this.#numbers }, (_, n) =>
          poke(tile, at(down, add(along, u32(n))), words.number(words.word(name), name, n)),
        ),
      ];
    });
  }

  /** The number of a group of words among those of the tile, and a condition where not every invocation has one. */
  #own(name: string, q: U32, lane: U32) {
    const groups = (this.shape.height * this.shape.width) / (this.together * this.#numbers);
    return ownPart(name, groups, this.threads, q, lane);
  }

  /** Row and column of a group within the tile, as it is stored. */
  #within(e: U32): readonly [down: U32, along: U32] {
    const group = this.together * this.#numbers;
    const across = u32(this.shape.width / group);
    return [div(e, across), mul(mod(e, across), u32(group))];
  }

  #place(name: string, first: readonly [U32, U32], e: U32) {
    const [down, along] = this.#within(e);
    const row = this.shape.spread ? rowAt(this.shape, down) : down;
    return blockPlace(name, this.#inMemory(first, row, along), this.views, this.packed);
  }

  /** Row and column in memory of an element of the tile. */
  #inMemory([i0, j0]: readonly [U32, U32], down: U32, along: U32): readonly [row: U32, col: U32] {
    const [row0, col0] = this.shape.transposed ? [j0, i0] : [i0, j0];
    return [add(row0, down), add(col0, along)];
  }
}

/** The registers that some tiles need, one after another. */
export function packedArrays(tiles: readonly PackedTile[]): readonly ArrayDecl[] {
  if (tiles.length === 0) return [];
  const groups = Math.max(...tiles.map((tile) => tile.groups));
  const words = Math.max(...tiles.map((tile) => tile.groups * tile.together));
  const withZeros = tiles.some(({ views }) => views.zeros);
  return [
    { name: WORDS, space: 'register', size: words, elem: 'u32' },
    { name: SCALES, space: 'register', size: groups },
    ...(withZeros ? [{ name: ZEROS, space: 'register', size: groups } as const] : []),
  ];
}
