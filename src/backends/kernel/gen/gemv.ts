import {
  add,
  and,
  barrier,
  comment,
  define,
  div,
  fma,
  id,
  type Kernel,
  load4,
  loop,
  lt,
  min,
  mod,
  mul,
  part,
  peek4,
  poke,
  ref,
  repeat,
  type Stmt,
  splat,
  type U32,
  u32,
  type View,
  vector,
} from '../ir/kir.js';
import type { Launch, Operand, Product } from '../model/types.js';
import { scheduleText } from '../plan/schedule.js';
import { VECTOR, wordsByFours } from '../plan/vectors.js';
import { storeVectors } from './epilogue.js';
import { codeTables, PackedWords } from './packed-words.js';
import { Parameters, partOfInner } from './parameters.js';
import { aboutProduct, productIn } from './product-work.js';
import { fourOf, QUAD, turnedPart } from './quads.js';

/**
 * The kernel of a product of few rows, which reads a wide matrix once: no tile of it would be used twice, so none passes
 * through workgroup memory. The invocations of a workgroup lie BN / 4 along the columns, a vector each, and BK / 4 along the
 * inner dimension, four elements of it each at a time; neighbours in a subgroup read neighbours in memory, whichever way the
 * matrix is stored; of a packed matrix, which is stored along the inner dimension, each has 16 bytes of every column at a time, or a word
 * where blocks are shorter. What they have of a result is added in workgroup memory, half by half.
 */
export function gemvKernel(launch: Launch): Kernel {
  return new Gemv(launch, productIn(launch)).kernel();
}

class Gemv {
  readonly #params = new Parameters('vectors');
  readonly #rows: U32;
  readonly #cols: U32;
  /** invocations along the columns, and along the inner dimension */
  readonly #across: number;
  readonly #deep: number;
  readonly #lane = ref('u32', 'lane');
  readonly #row0 = ref('u32', 'row0');
  readonly #col = mul(ref('u32', 'col'), u32(VECTOR));
  readonly #own = ref('u32', 'own_inner');
  readonly #ownCol = ref('u32', 'own_col');

  constructor(
    readonly launch: Launch,
    readonly work: Product,
  ) {
    const { BN, BK } = launch.schedule;
    [this.#across, this.#deep] = [BN / VECTOR, BK / VECTOR];
    this.#rows = this.#params.length(work.rows);
    this.#cols = this.#params.length(work.cols);
  }

  kernel(): Kernel {
    const { work, launch } = this;
    const { BM } = launch.schedule;
    const lanes = this.#across * this.#deep;
    const [across, deep] = [u32(this.#across), u32(this.#deep)];
    const tables = codeTables(work.segments, this.#lane, lanes);
    const body = [
      ...work.segments.flatMap((_, index) => this.#segment(index)),
      ...this.#added(),
      ...this.#stored(),
    ];
    // the last segments are short: the first says how invocations lie
    const turned = work.segments[0]!.b.transposed;
    const registers = (name: string, size: number) =>
      ({ name, space: 'register', size, vector: true }) as const;
    return {
      name: launch.name,
      about: aboutProduct(launch, work, scheduleText(launch.schedule)),
      workgroup: [lanes, 1, 1],
      ...this.#params.list(),
      arrays: [
        { name: 'sums', space: 'workgroup', size: BM * lanes, vector: true, folded: true },
        registers('acc', BM),
        registers('col_a', 1),
        registers('row_b', VECTOR),
        ...(work.segments.some(({ b }) => b.transposed && !b.matrix.packed)
          ? [registers('quad', VECTOR)]
          : []),
        ...tables.arrays,
      ],
      body: [
        define('lane', id('local', 0)),
        define('row0', mul(id('group', 1), u32(BM))),
        ...this.#params.lookups,
        define('own_col', turned ? div(this.#lane, deep) : mod(this.#lane, across)),
        define('own_inner', turned ? mod(this.#lane, deep) : div(this.#lane, across)),
        define('col', add(mul(id('group', 0), across), this.#ownCol)),
        ...tables.fill,
        ...body,
      ],
    };
  }

  /** Adds the product of one segment to the accumulators. */
  #segment(index: number): Stmt[] {
    const { a, b, inner } = this.work.segments[index]!;
    const { BK } = this.launch.schedule;
    const length = this.#params.length(inner);
    const readA = this.#params.operand(a, this.#rows, length, this.#row0);
    const n = `${index}`;
    const { packed } = b.matrix;
    const fours = packed !== undefined && wordsByFours(packed);
    const words = packed
      ? new PackedWords(this.#params.packed(b.matrix, packed, fours), packed, fours)
      : null;
    // elements of the inner dimension of an invocation at a time
    const each = words?.each ?? VECTOR;
    const { share, from, end } = partOfInner(this.work.parts, length, n, each);
    const first = mul(ref('u32', `k_${n}`), u32(each));
    const multiply = (name: string, k: U32) => this.#multiply(name, readA.view, k, end);
    const body = words
      ? this.#unpacked(words, n, first, multiply)
      : [...this.#loaded(b, length, first, end), multiply(n, first)];
    return [
      comment(
        `inner dimension of ${a.matrix.buffer} and ${b.matrix.buffer}, ${(BK / VECTOR) * each} at a time`,
      ),
      ...share,
      loop(`k0_${n}`, from, end, u32((BK / VECTOR) * each), (k0) => [
        define(`k_${n}`, add(div(k0, u32(each)), this.#own)),
        ...body,
      ]),
    ];
  }

  /** What puts rows k to k + 3 of b, the invocation's columns of them, in `row_b`. */
  #loaded(b: Operand, length: U32, k: U32, end: U32): readonly Stmt[] {
    const read = this.#params.operand(b, length, this.#cols, this.#row0);
    const col = this.#col;
    const target = read.transposed ? 'quad' : 'row_b';
    const load = QUAD.map((c) => {
      const at = read.transposed ? [add(col, u32(c)), k] : [add(k, u32(c)), col];
      const [row, first] = read.transposed
        ? [lt(at[0]!, this.#cols), lt(k, end)]
        : [lt(at[0]!, end), lt(col, this.#cols)];
      return poke(target, u32(c), load4(read.view, at, and(row, first)));
    });
    return [
      ...load,
      ...(read.transposed ? QUAD.map((c) => poke('row_b', u32(c), turnedPart('quad', c))) : []),
    ];
  }

  /** Products with the words of four columns from row k on, four rows at a time. A loop goes through four words: written out it would be a page. */
  #unpacked(
    words: PackedWords,
    n: string,
    k: U32,
    multiply: (name: string, k: U32) => Stmt,
  ): readonly Stmt[] {
    const name = (c: number) => `b${n}_${c}`;
    const loads = QUAD.flatMap((c) => words.load(name(c), [add(this.#col, u32(c)), k]));
    const { ofWord } = words;
    const products = (first: U32) =>
      Array.from({ length: ofWord / VECTOR }, (_, quad) => [
        ...QUAD.map((row) => {
          const number = (c: number) => words.number(words.word(name(c)), name(c), quad * VECTOR + row);
          return poke('row_b', u32(row), vector(fourOf(number)));
        }),
        multiply(quad === 0 ? n : `${n}_${quad}`, add(first, u32(quad * VECTOR))),
      ]).flat();
    if (!words.fours) return [...loads, ...products(k)];
    return [
      ...loads,
      loop(`word_${n}`, u32(0), u32(words.each / ofWord), u32(1), (at) => [
        ...products(add(k, mul(at, u32(ofWord)))),
        ...QUAD.map((c) => words.turn(name(c))),
      ]),
    ];
  }

  /** acc += columns k to k + 3 of a times `row_b`. */
  #multiply(name: string, a: View, k: U32, end: U32): Stmt {
    return repeat(`i_${name}`, this.launch.schedule.BM, (i) => {
      const row = add(this.#row0, i);
      return [
        poke('col_a', u32(0), load4(a, [row, k], and(lt(row, this.#rows), lt(k, end)))),
        ...QUAD.map((c) => {
          const value = part(peek4('col_a', u32(0)), c);
          return poke('acc', i, fma(splat(value), peek4('row_b', u32(c)), peek4('acc', i)));
        }),
      ];
    });
  }

  /** Place in `sums` of what an invocation has of row i. */
  #place(i: U32, inner: U32, col: U32): U32 {
    return add(mul(add(mul(i, u32(this.#deep)), inner), u32(this.#across)), col);
  }

  /** Halves what is to be added until there is one sum of each result. */
  #added(): Stmt[] {
    const { BM } = this.launch.schedule;
    const steps: Stmt[] = [];
    for (let half = this.#deep / 2; half >= 1; half /= 2) {
      steps.push(
        {
          s: 'if',
          cond: lt(this.#own, u32(half)),
          body: [
            define('first', min(this.#own, u32(half - 1))),
            repeat(`i_half_${half}`, BM, (i) => {
              const first = ref('u32', 'first');
              const [here, there] = [
                this.#place(i, first, this.#ownCol),
                this.#place(i, add(first, u32(half)), this.#ownCol),
              ];
              return [poke('sums', here, add(peek4('sums', here), peek4('sums', there)))];
            }),
          ],
        },
        barrier,
      );
    }
    return [
      comment('the sums of all invocations, half of them at a time'),
      repeat('i_put', BM, (i) => [poke('sums', this.#place(i, this.#own, this.#ownCol), peek4('acc', i))]),
      barrier,
      ...steps,
    ];
  }

  /** The results of a workgroup, one to each of the first invocations. */
  #stored(): Stmt[] {
    const { BM } = this.launch.schedule;
    const across = u32(this.#across);
    const results = BM * this.#across;
    const own = ref('u32', 'own');
    const [row, col] = [div(own, across), mod(own, across)];
    return [
      ...storeVectors(this.#params, this.work, {
        array: 'acc',
        row: this.#row0,
        col: mul(mul(id('group', 0), across), u32(VECTOR)),
        rows: this.#rows,
        cols: this.#cols,
        each: (result) => [
          {
            s: 'if',
            cond: lt(this.#lane, u32(results)),
            body: [
              define('own', min(this.#lane, u32(results - 1))),
              poke('acc', u32(0), peek4('sums', this.#place(row, u32(0), col))),
              ...result(u32(0), row, col),
            ],
          },
        ],
      }),
    ];
  }
}
