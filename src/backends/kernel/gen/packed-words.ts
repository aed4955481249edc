import { CODE_TABLES, type CodeTable } from '../../../ir/ops/core/code-tables.js';
import {
  type ArrayDecl,
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
  loadWords,
  loop,
  lt,
  mod,
  mul,
  peek,
  poke,
  type Quarter,
  ref,
  type Stmt,
  select,
  sub,
  turned,
  type U32,
  u32,
  wordOf,
} from '../ir/kir.js';
import type { Packed, Segment } from '../model/types.js';
import { codeTablesOf } from '../plan/code-tables.js';
import { packedAtOnce } from '../plan/vectors.js';
import type { PackedViews } from './parameters.js';

/** Part of a packed matrix: a row, and what lies in it from a column on. */
export interface BlockPlace {
  readonly row: U32;
  readonly col: U32;
  readonly block: U32;
  /** the block is there */
  readonly inside: Bool;
}

/** The table in workgroup memory: sixteen numbers, each in a bank of its own, so that threads look up any of them at once. */
export const tableName = (table: CodeTable): string => `table_${table}`;

/** Names for a row of memory, a column and its block, and what defines them. */
export function blockPlace(
  name: string,
  at: readonly [row: U32, col: U32],
  { scales }: PackedViews,
  { block: size }: Packed,
): { readonly steps: readonly Stmt[]; readonly place: BlockPlace } {
  const [row, col, block] = ['row', 'col', 'block'].map((of) => ref('u32', `${of}_${name}`)) as [
    U32,
    U32,
    U32,
  ];
  const [rows, blocks] = scales.extents as readonly [U32, U32];
  return {
    steps: [
      define(`row_${name}`, at[0]),
      define(`col_${name}`, at[1]),
      define(`block_${name}`, div(col, u32(size))),
    ],
    place: { row, col, block, inside: and(lt(row, rows), lt(block, blocks)) },
  };
}

/** The words of a packed matrix and the numbers in them, where an invocation loads one word at a time, or four of a block. */
export class PackedWords {
  /** numbers of a word */
  readonly ofWord: number;
  /** numbers that are loaded at once */
  readonly each: number;

  constructor(
    readonly views: PackedViews,
    readonly packed: Packed,
    readonly fours = false,
  ) {
    this.ofWord = 32 / packed.bits;
    this.each = fours ? packedAtOnce(packed) : this.ofWord;
  }

  /**
   * Loads the words from a column on, a multiple of `each`, of a row of memory, with their scale and zero point; scale 0 outside. Four words
   * are a variable: see `turn`.
   */
  load(name: string, at: readonly [row: U32, col: U32]): readonly Stmt[] {
    const { packed, views, fours } = this;
    const { steps, place } = blockPlace(name, at, views, packed);
    const { row, col, block, inside } = place;
    const inBlock = div(mod(col, u32(packed.block)), u32(this.each));
    const zero = zeroOf(views, packed, place, name);
    const words = loadWords(views.words, [row, block, mul(inBlock, u32(4))], inside);
    return [
      ...steps,
      fours
        ? { s: 'var', name: `words_${name}`, init: words }
        : define(`word_${name}`, loadIndex(views.words, [row, block, inBlock], inside)),
      define(`scale_${name}`, load(views.scales, [row, block], inside)),
      ...(packed.table ? [] : [...zero.steps, define(`zero_${name}`, zero.value)]),
    ];
  }

  /** One of four words that were loaded; the only one, or the first, unless another is named. */
  word(name: string, n: Quarter = 0): U32 {
    return this.fours ? wordOf(ref('u32x4', `words_${name}`), n) : ref('u32', `word_${name}`);
  }

  /** Makes the next of four words the first. */
  turn(name: string): Stmt {
    const words = `words_${name}`;
    return { s: 'assign', name: words, value: turned(ref('u32x4', words)) };
  }

  /** The n-th number of a word, by the scale and zero point of this name. */
  number(word: U32, name: string, n: number): F32 {
    const { bits, table } = this.packed;
    // codes of a table begin with the high half of a byte
    const shift = bits * (table ? n ^ 1 : n);
    const code = mod(div(word, u32(2 ** shift)), u32(2 ** bits));
    const number = table ? peek(tableName(table), code) : sub(cast(code), ref('f32', `zero_${name}`));
    return mul(number, ref('f32', `scale_${name}`));
  }
}

/** The zero point of a matrix without zero points. */
export const middleOf = ({ bits }: Packed): F32 => f32(2 ** (bits - 1));

/** The zero point of a block. */
export function zeroOf(
  { zeros }: PackedViews,
  packed: Packed,
  { row, block, inside }: BlockPlace,
  name: string,
): { readonly steps: readonly Stmt[]; readonly value: F32 } {
  if (!zeros) return { steps: [], value: middleOf(packed) };
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
  segments: readonly Segment[],
  lane: U32,
  threads: number,
): { readonly arrays: readonly ArrayDecl[]; readonly fill: readonly Stmt[] } {
  const tables = codeTablesOf(segments);
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
