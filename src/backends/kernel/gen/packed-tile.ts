import { fail } from '../../../ir/diagnostics.js';
import { CODE_TABLES, type CodeTable } from '../../../ir/ops/core/code-tables.js';
import { refused } from '../../codes/kernel-ir.js';
import {
  type ArrayDecl,
  add,
  and,
  type Bool,
  barrier,
  cast,
  define,
  div,
  type F32,
  f32,
  load,
  loadIndex,
  loop,
  lt,
  min,
  mod,
  mul,
  peek,
  poke,
  ref,
  repeat,
  type Stmt,
  select,
  sub,
  type U32,
  u32,
} from '../ir/kir.js';
import type { Packed } from '../model/types.js';
import type { PackedViews } from './parameters.js';
import type { TileShape } from './unit-tiles.js';

/** Registers of an invocation: words, and the scale and zero of each group of them. */
const [WORDS, SCALES, ZEROS] = ['words', 'word_scales', 'word_zeros'] as const;

/** The table in workgroup memory: sixteen numbers, each in a bank of its own, so that threads look up any of them at once. */
const tableName = (table: CodeTable): string => `table_${table}`;

/** Part of a packed matrix: a row, and what lies in it from a column on. */
interface Place {
  readonly row: U32;
  readonly col: U32;
  readonly block: U32;
  /** the block is there */
  readonly inside: Bool;
}

/**
 * A tile of a packed operand. What lies together in memory becomes a row of the tile. For matrix units words are loaded to registers
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
    readonly shape: Pick<TileShape, 'height' | 'width' | 'pitch' | 'transposed'>,
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
        : { zero: views.zeros ? peek(ZEROS, q) : halfOf(packed) };
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
    const { bits, table } = packed;
    const words = (shape.height * shape.width) / this.#numbers;
    return loop(`e_${name}`, lane, u32(words), u32(threads), (e) => {
      const across = u32(shape.width / this.#numbers);
      const [down, along] = [div(e, across), mul(mod(e, across), u32(this.#numbers))];
      const { steps, place } = this.#at(name, first, down, along);
      const { row, col, block, inside } = place;
      const inBlock = div(mod(col, u32(packed.block)), u32(this.#numbers));
      const zero = zeroOf(views, packed, place, name);
      const [word, scale] = [ref('u32', `word_${name}`), ref('f32', `scale_${name}`)];
      const numberOf = (code: U32): F32 =>
        table ? peek(tableName(table), code) : sub(cast(code), ref('f32', `zero_${name}`));
      return [
        ...steps,
        define(`word_${name}`, loadIndex(views.words, [row, block, inBlock], inside)),
        define(`scale_${name}`, load(views.scales, [row, block], inside)),
        ...(table ? [] : [...zero.steps, define(`zero_${name}`, zero.value)]),
        ...Array.from({ length: this.#numbers }, (_, n) => {
          // codes of a table begin with the high half of a byte
          const place = table ? n ^ 1 : n;
          const code = mod(div(word, u32(2 ** (bits * place))), u32(2 ** bits));
          return poke(tile, at(down, add(along, u32(n))), mul(numberOf(code), scale));
        }),
      ];
    });
  }

  /** The number of a group of words among those of the tile, and a condition where not every invocation has one. */
  #own(name: string, q: U32, lane: U32): readonly [Stmt, U32, Bool | null] {
    const groups = (this.shape.height * this.shape.width) / (this.together * this.#numbers);
    const e = add(lane, mul(q, u32(this.threads)));
    const whole = groups % this.threads === 0;
    const own = define(name, whole ? e : min(e, u32(groups - 1)));
    return [own, ref('u32', name), whole ? null : lt(e, u32(groups))];
  }

  /** Row and column of a group within the tile. */
  #within(e: U32): readonly [down: U32, along: U32] {
    const group = this.together * this.#numbers;
    const across = u32(this.shape.width / group);
    return [div(e, across), mul(mod(e, across), u32(group))];
  }

  #place(name: string, first: readonly [U32, U32], e: U32) {
    return this.#at(name, first, ...this.#within(e));
  }

  /** Where an element of the tile is in the matrix. */
  #at(name: string, [i0, j0]: readonly [U32, U32], down: U32, along: U32) {
    const [row0, col0] = this.shape.transposed ? [j0, i0] : [i0, j0];
    const [row, col, block] = [
      ref('u32', `row_${name}`),
      ref('u32', `col_${name}`),
      ref('u32', `block_${name}`),
    ];
    const [rows, blocks] = this.views.scales.extents as readonly [U32, U32];
    const steps = [
      define(`row_${name}`, add(row0, down)),
      define(`col_${name}`, add(col0, along)),
      define(`block_${name}`, div(col, u32(this.packed.block))),
    ];
    const place: Place = { row, col, block, inside: and(lt(row, rows), lt(block, blocks)) };
    return { steps, place };
  }
}

const halfOf = ({ bits }: Packed): F32 => f32(2 ** (bits - 1));

/** The zero point of a block. */
function zeroOf(
  { zeros }: PackedViews,
  packed: Packed,
  { row, block, inside }: Place,
  name: string,
): { readonly steps: readonly Stmt[]; readonly value: F32 } {
  if (!zeros) return { steps: [], value: halfOf(packed) };
  if (packed.zeros!.dtype !== 'u8') return { steps: [], value: load(zeros, [row, block], inside) };
  if (packed.bits === 8) return { steps: [], value: cast(loadIndex(zeros, [row, block], inside)) };
  const [place, byte] = [div(block, u32(2)), ref('u32', `zeros_${name}`)];
  const there = and(inside, lt(place, zeros.extents[1]!));
  const high = lt(u32(0), mod(block, u32(2)));
  return {
    steps: [define(`zeros_${name}`, loadIndex(zeros, [row, place], there))],
    value: cast(select(high, div(byte, u32(16)), mod(byte, u32(16)))),
  };
}

/** The tables that codes of some operands are looked up in: arrays of workgroup memory, and what fills them. */
export function codeTables(
  packed: readonly (Packed | undefined)[],
  lane: U32,
  threads: number,
): { readonly arrays: readonly ArrayDecl[]; readonly fill: readonly Stmt[] } {
  const tables = [...new Set(packed.flatMap((one) => one?.table ?? []))];
  const numberAt = (numbers: readonly number[], at: U32): F32 =>
    numbers.reduceRight((rest: F32 | null, value, n) => {
      const own = f32(Math.fround(value));
      return rest === null ? own : select(lt(at, u32(n + 1)), own, rest);
    }, null)!;
  return {
    arrays: tables.map((table) => ({
      name: tableName(table),
      space: 'workgroup',
      size: CODE_TABLES[table].length,
    })),
    fill: [
      ...tables.map((table) =>
        loop(`code_${table}`, lane, u32(CODE_TABLES[table].length), u32(threads), (code) => [
          poke(tableName(table), code, numberAt(CODE_TABLES[table], code)),
        ]),
      ),
      ...(tables.length > 0 ? [barrier] : []),
    ],
  };
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
