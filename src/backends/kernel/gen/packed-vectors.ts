import {
  type ArrayDecl,
  add,
  barrier,
  define,
  div,
  loop,
  mod,
  mul,
  peek,
  peekWord,
  poke,
  ref,
  type Stmt,
  type U32,
  u32,
  vector,
} from '../ir/kir.js';
import type { Operand, TileSchedule } from '../model/types.js';
import { VECTOR, type WordStretch, wordStretch } from '../plan/vectors.js';
import { middleOf, PackedWords } from './packed-words.js';
import type { Parameters } from './parameters.js';
import { fourOf, QUAD } from './quads.js';

/** Workgroup memory for words, and for the scale and zero point of each four of them. */
const [WORDS, SCALES, ZEROS] = ['words', 'word_scales', 'word_zeros'] as const;

/** The tiles of the second operand: what is loaded for a stretch of the inner dimension, and what writes a tile of it from an element on. */
export interface TilesB {
  readonly stretch: number;
  bring(k0: U32): readonly Stmt[];
  /** the `nth` of the stretch */
  tile(k0: U32, nth: U32): Stmt;
}

/** Invocations of a workgroup, and its tile: its first column, and vectors from row to row. */
interface Place {
  readonly lane: U32;
  readonly threads: number;
  readonly col0: U32;
  readonly pitch: number;
}

/**
 * Tiles in vectors of an operand that is packed. Where blocks have whole 16 bytes a workgroup loads its words so, for as many tiles as they are of,
 * keeps them in workgroup memory, and all invocations unpack them from there: of 16 bytes along the inner dimension a
 * tile has a part, and there are fewer of them than invocations. Elsewhere words are loaded one by one as they are unpacked.
 */
export class PackedVectors implements TilesB {
  readonly stretch: number;
  /** null: words are not kept */
  readonly kept: WordStretch | null;
  readonly words: PackedWords;

  constructor(
    readonly name: string,
    params: Parameters,
    readonly operand: Operand,
    readonly schedule: TileSchedule,
    readonly place: Place,
  ) {
    const packed = operand.matrix.packed!;
    this.kept = wordStretch(schedule, packed, operand.transposed ? 'inner' : 'cols');
    this.stretch = this.kept?.inner ?? schedule.BK;
    const fours = this.kept !== null;
    this.words = new PackedWords(params.packed(operand.matrix, packed, fours), packed, fours);
  }

  /** A zero point differs from block to block. */
  get hasZeros(): boolean {
    return this.words.views.zeros !== null;
  }

  /** All words of a stretch, 16 bytes at a time. */
  bring(k0: U32): readonly Stmt[] {
    const { kept, name, words, place } = this;
    if (!kept) return [];
    const { lane, threads } = place;
    const own = `${name}_kept`;
    return [
      loop(`v_${name}`, lane, u32(kept.fours), u32(threads), (v) => [
        ...words.load(own, this.#inMemory(k0, v)),
        ...QUAD.map((w) => poke(WORDS, this.#wordAt(v, u32(w)), words.word(own, w))),
        poke(SCALES, v, ref('f32', `scale_${own}`)),
        ...(this.hasZeros ? [poke(ZEROS, v, ref('f32', `zero_${own}`))] : []),
      ]),
      barrier,
    ];
  }

  tile(k0: U32, nth: U32): Stmt {
    return this.operand.transposed ? this.#ofColumns(k0, nth) : this.#ofRows(k0);
  }

  /** Words of which the numbers lie along the columns. */
  #ofRows(k0: U32): Stmt {
    const { name, words, place } = this;
    const { BN, BK } = this.schedule;
    const { ofWord } = words;
    const across = u32(BN / ofWord);
    return loop(`e_${name}`, place.lane, u32((BK * BN) / ofWord), u32(place.threads), (e) => {
      const [i, j] = [div(e, across), mod(e, across)];
      const first = add(mul(i, u32(place.pitch)), mul(j, u32(ofWord / VECTOR)));
      return [
        ...this.#word(name, [add(k0, i), add(place.col0, mul(j, u32(ofWord)))], {
          four: div(e, u32(VECTOR)),
          word: mod(e, u32(VECTOR)),
        }),
        ...Array.from({ length: ofWord / VECTOR }, (_, v) =>
          poke('tile_b', add(first, u32(v)), vector(fourOf((c) => this.#number(name, VECTOR * v + c)))),
        ),
      ];
    });
  }

  /** Four words of neighbouring columns, of which the numbers lie along the inner dimension. */
  #ofColumns(k0: U32, nth: U32): Stmt {
    const { name, words, place } = this;
    const { BN, BK } = this.schedule;
    const { ofWord } = words;
    const [deep, wide] = [BK / ofWord, BN / VECTOR];
    return loop(`e_${name}`, place.lane, u32(deep * wide), u32(place.threads), (e) => {
      const [i, j] = [mod(e, u32(deep)), div(e, u32(deep))];
      const inner = mul(i, u32(ofWord));
      // the word along the stretch
      const along = add(mul(nth, u32(deep)), i);
      const four = (c: number) => add(mul(div(along, u32(VECTOR)), u32(BN)), add(u32(c * wide), j));
      return [
        ...QUAD.flatMap((c) => {
          const col = add(place.col0, add(mul(j, u32(VECTOR)), u32(c)));
          const at = { four: four(c), word: mod(along, u32(VECTOR)) };
          return this.#word(`${name}_${c}`, [col, add(k0, inner)], at);
        }),
        ...Array.from({ length: ofWord }, (_, n) =>
          poke(
            'tile_b',
            add(mul(add(inner, u32(n)), u32(place.pitch)), j),
            vector(fourOf((c) => this.#number(`${name}_${c}`, n))),
          ),
        ),
      ];
    });
  }

  /** A word with its scale and zero point: of those that are kept, or from memory. */
  #word(
    name: string,
    from: readonly [row: U32, col: U32],
    at: { readonly four: U32; readonly word: U32 },
  ): readonly Stmt[] {
    const { words, kept } = this;
    if (!kept) return words.load(name, from);
    const four = ref('u32', `four_${name}`);
    return [
      define(`four_${name}`, at.four),
      define(`word_${name}`, peekWord(WORDS, this.#wordAt(four, at.word))),
      define(`scale_${name}`, peek(SCALES, four)),
      ...(words.packed.table
        ? []
        : [define(`zero_${name}`, this.hasZeros ? peek(ZEROS, four) : middleOf(words.packed))]),
    ];
  }

  #number(name: string, n: number) {
    return this.words.number(ref('u32', `word_${name}`), name, n);
  }

  /** Row and column in memory of the v-th four words of a stretch. Those of every fourth column are neighbours, as they are read. */
  #inMemory(k0: U32, v: U32): readonly [row: U32, col: U32] {
    const { BN } = this.schedule;
    const { each } = this.words;
    const col0 = this.place.col0;
    if (this.operand.transposed) {
      const [own, wide] = [mod(v, u32(BN)), u32(BN / VECTOR)];
      const col = add(mul(mod(own, wide), u32(VECTOR)), div(own, wide));
      return [add(col0, col), add(k0, mul(div(v, u32(BN)), u32(each)))];
    }
    const across = u32(BN / each);
    return [add(k0, div(v, across)), add(col0, mul(mod(v, across), u32(each)))];
  }

  /** Where a word of four lies: invocations that write, or read, at once ask different banks. */
  #wordAt(four: U32, word: U32): U32 {
    return this.operand.transposed
      ? add(mul(word, u32(this.kept!.fours)), four)
      : add(mul(four, u32(VECTOR)), word);
  }
}

/** Workgroup memory for the words of some operands, one after another. */
export function keptWords(operands: readonly PackedVectors[]): readonly ArrayDecl[] {
  const fours = Math.max(0, ...operands.map(({ kept }) => kept?.fours ?? 0));
  if (fours === 0) return [];
  const of = (name: string, size: number) => ({ name, space: 'workgroup', size }) as const;
  const zeros = operands.some(({ kept, hasZeros }) => kept && hasZeros);
  return [
    { ...of(WORDS, VECTOR * fours), elem: 'u32' },
    of(SCALES, fours),
    ...(zeros ? [of(ZEROS, fours)] : []),
  ];
}
