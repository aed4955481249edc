import { fail } from '../../../ir/diagnostics.js';
import { refused } from '../../codes/kernel-ir.js';
import {
  type ArrayDecl,
  add,
  and,
  barrier,
  comment,
  define,
  div,
  type F32,
  f32,
  fma,
  id,
  type Kernel,
  literalValue,
  load,
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
  type U32,
  u32,
} from '../ir/kir.js';
import { peer, peers, subgroupAdd } from '../ir/subgroups.js';
import type { Launch, Operand, Product } from '../model/types.js';
import { scheduleText } from '../plan/schedule.js';
import { storeResults } from './epilogue.js';
import { coordinates, Parameters } from './parameters.js';
import { aboutProduct, productIn } from './product-work.js';

/**
 * The kernel of a product of few rows, or of few columns: a tile of it would have too few results to keep a workgroup
 * busy. Here the invocations of a workgroup share the inner dimension instead. Each takes every BK-th element of it,
 * for all BM x TN results at once and without workgroup memory; their partial sums are then added over subgroups. A
 * workgroup makes BN columns, TN at a time. It is right for any size of subgroups, and whichever invocations are
 * together in one.
 */
export function laneProductKernel(launch: Launch): Kernel {
  const work = productIn(launch);
  if (work.parts > 1)
    fail(refused({ launch: launch.name, why: 'a sum in parts is not spread over subgroups' }));
  return new LaneProduct(launch, work).kernel();
}

/** One stretch of the inner dimension: element (i, k) of the first operand, and the second one. */
interface Stretch {
  readonly about: string;
  readonly name: string;
  readonly inner: U32;
  readonly a: (i: U32, k: U32) => F32;
  readonly b: Operand;
}

class LaneProduct {
  readonly #params = new Parameters();
  readonly #kepts: ArrayDecl[] = [];
  readonly #rows: U32;
  readonly #cols: U32;
  readonly #lanes: number;
  /** accumulators are zero at first, and hold the last sums later */
  #fresh = true;
  /** columns at a time */
  #widest = 0;
  readonly #lane = ref('u32', 'lane');
  readonly #row0 = ref('u32', 'row0');
  readonly #col0 = ref('u32', 'col0');

  constructor(
    readonly launch: Launch,
    readonly work: Product,
  ) {
    this.#lanes = launch.schedule.BK;
    this.#rows = this.#params.length(work.rows);
    this.#cols = this.#params.length(work.cols);
  }

  kernel(): Kernel {
    const { work, launch } = this;
    const body = work.chain ? this.#chained(work.chain) : this.#plain();
    return {
      name: launch.name,
      about: aboutProduct(launch, work, scheduleText(launch.schedule)),
      workgroup: [this.#lanes, 1, 1],
      ...this.#params.list(),
      arrays: this.#arrays(),
      body: [
        define('lane', id('local', 0)),
        define('row0', mul(id('group', 1), u32(launch.schedule.BM))),
        define('col0', mul(id('group', 0), u32(launch.schedule.BN))),
        ...this.#params.lookups,
        comment('number of this invocation in its subgroup, and how many there are'),
        define('peer', peer),
        define('peers', peers),
        ...body,
      ],
    };
  }

  /** For as many columns as are ever made at a time. */
  #arrays(): ArrayDecl[] {
    const { BM, BK } = this.launch.schedule;
    const across = this.#widest;
    return [
      { name: 'sums', space: 'workgroup', size: BM * across * BK },
      { name: 'acc', space: 'register', size: BM * across },
      { name: 'col_a', space: 'register', size: BM },
      { name: 'row_b', space: 'register', size: across },
      { name: 'total', space: 'register', size: Math.ceil((BM * across) / BK) },
      ...this.#kepts,
    ];
  }

  /** The product; P times the second factor is one more stretch of its inner dimension where launches are merged. */
  #plain(): Stmt[] {
    const { widen } = this.work;
    const base = this.work.segments.map((_, index) => this.#segment(index));
    const width = Math.min(this.launch.schedule.BN, literalValue(this.#cols) ?? Number.POSITIVE_INFINITY);
    if (!widen) return this.#stored(base, this.#cols, width);
    return [
      ...this.#kept([{ ...this.#segment(0, widen.down), name: 'p' }], widen.rank, widen.scale),
      ...this.#stored([...base, this.#fromKept(widen.rank, widen.up)], this.#cols, width),
    ];
  }

  /** The sum is kept, and multiplied once more: T = (x R) M. */
  #chained(chain: Operand): Stmt[] {
    const { cols, out, segments } = this.work;
    if (typeof cols !== 'number' || typeof out.cols !== 'number')
      throw new Error(`${this.launch.name}: the width of a chained sum is a number`);
    const sum = segments.map((_, index) => this.#segment(index));
    return [
      ...this.#kept(sum, cols, 1),
      ...this.#stored([this.#fromKept(cols, chain)], u32(out.cols), out.cols),
    ];
  }

  /** A segment, or its first operand times another. */
  #segment(index: number, other?: Operand): Stretch {
    const { a, inner, ...own } = this.work.segments[index]!;
    const b = other ?? own.b;
    const length = this.#params.length(inner);
    const read = this.#params.operand(a, this.#rows, length, this.#row0);
    return {
      about: `inner dimension of ${a.matrix.buffer} and ${b.matrix.buffer}, ${this.#lanes} at a time`,
      name: `${index}`,
      inner: length,
      a: (i, k) => {
        const row = add(this.#row0, i);
        return load(read.view, coordinates(read, row, k), and(lt(row, this.#rows), lt(k, length)));
      },
      b,
    };
  }

  /** BM rows of P, from workgroup memory. */
  #fromKept(width: number, b: Operand): Stretch {
    const pitch = this.#pitch(width);
    return {
      about: `P times ${b.matrix.buffer}`,
      name: 'up',
      inner: u32(width),
      // beyond the last column b is 0
      a: (i, k) => peek('kept', add(mul(i, u32(pitch)), min(k, u32(width - 1)))),
      b,
    };
  }

  /** Columns are made TN at a time: those beyond the last one need room. */
  #pitch(width: number): number {
    return width + this.launch.schedule.TN - 1;
  }

  /** Leaves scale a b, BM x width, in workgroup memory. */
  #kept(stretches: readonly Stretch[], width: number, scale: number): Stmt[] {
    const { BM } = this.launch.schedule;
    const pitch = this.#pitch(width);
    this.#kepts.push({ name: 'kept', space: 'workgroup', size: BM * pitch });
    return [
      comment('P, for all rows of this workgroup'),
      ...this.#columns('p', width, (from, across) => [
        ...this.#sums(stretches, u32(width), from, across, 'p'),
        ...this.#own(across, (q, i, j) => [
          poke('kept', add(mul(i, u32(pitch)), add(from, j)), times(scale, peek('total', q))),
        ]),
      ]),
      barrier,
    ];
  }

  /** The results, and what is done to them before they are stored. */
  #stored(stretches: readonly Stretch[], cols: U32, width: number): Stmt[] {
    const { work } = this;
    return this.#columns('y', width, (from, across) => {
      const first = add(this.#col0, from);
      return [
        ...this.#sums(stretches, cols, first, across, 'y'),
        ...storeResults(this.#params, work, {
          array: 'total',
          row: this.#row0,
          col: first,
          each: (result) => this.#own(across, result),
          rows: this.#rows,
          cols,
        }),
      ];
    });
  }

  /** `body` for all of `width` columns, TN at a time. */
  #columns(name: string, width: number, body: (from: U32, across: number) => readonly Stmt[]): Stmt[] {
    const { TN } = this.launch.schedule;
    if (width <= TN) return [...body(u32(0), width)];
    this.#fresh = false;
    // the next columns need the memory in which these were summed
    return [loop(`c0_${name}`, u32(0), u32(width), u32(TN), (from) => [...body(from, TN), barrier])];
  }

  /** total = BM x `across` sums from column `col` on, result e in invocation e. */
  #sums(stretches: readonly Stretch[], cols: U32, col: U32, across: number, name: string): Stmt[] {
    const { BM } = this.launch.schedule;
    const [results, lanes] = [BM * across, this.#lanes];
    const fresh = this.#fresh;
    this.#fresh = false;
    this.#widest = Math.max(this.#widest, across);
    const each = (of: string, body: (e: U32) => readonly Stmt[]) => repeat(`${of}_${name}`, results, body);
    const at = (e: U32, l: U32) => add(mul(e, u32(lanes)), l);
    return [
      ...(fresh ? [] : [each('zero', (e) => [poke('acc', e, f32(0))])]),
      ...stretches.flatMap(({ about, name: own, inner, a, b }) => {
        const read = this.#params.operand(b, inner, cols, this.#row0);
        const k = ref('u32', `k_${own}`);
        return [
          comment(about),
          loop(`k0_${own}`, u32(0), inner, u32(lanes), (k0) => [
            define(`k_${own}`, add(k0, this.#lane)),
            repeat(`ia_${own}`, BM, (i) => [poke('col_a', i, a(i, k))]),
            repeat(`jb_${own}`, across, (j) => {
              const to = add(col, j);
              return [
                poke('row_b', j, load(read.view, coordinates(read, k, to), and(lt(k, inner), lt(to, cols)))),
              ];
            }),
            repeat(`i_${own}`, BM, (i) => [
              repeat(`j_${own}`, across, (j) => {
                const e = add(mul(i, u32(across)), j);
                return [poke('acc', e, fma(peek('col_a', i), peek('row_b', j), peek('acc', e)))];
              }),
            ]),
          ]),
        ];
      }),
      comment('every subgroup adds what all invocations have: each of its own takes some of them'),
      each('put', (e) => [poke('sums', at(e, this.#lane), peek('acc', e)), poke('acc', e, f32(0))]),
      barrier,
      loop(`l_${name}`, ref('u32', 'peer'), u32(lanes), ref('u32', 'peers'), (l) => [
        each('get', (e) => [poke('acc', e, add(peek('acc', e), peek('sums', at(e, l))))]),
      ]),
      each('add', (e) => [poke('acc', e, subgroupAdd(peek('acc', e)))]),
      each('take', (e) => {
        const [place, lane] = [div(e, u32(lanes)), mod(e, u32(lanes))];
        const mine = { type: 'bool', e: 'cmp', op: '==', a: this.#lane, b: lane } as const;
        return [poke('total', place, select(mine, peek('acc', e), peek('total', place)))];
      }),
    ];
  }

  /** Statements for the results that are this invocation's own: their number among these, row and column. */
  #own(across: number, result: (q: U32, i: U32, j: U32) => readonly Stmt[]): Stmt[] {
    const results = this.launch.schedule.BM * across;
    return [
      repeat('own_q', Math.ceil(results / this.#lanes), (q) => {
        const e = add(this.#lane, mul(q, u32(this.#lanes)));
        const own = ref('u32', 'own');
        return [
          {
            s: 'if',
            cond: lt(e, u32(results)),
            body: [
              define('own', results < this.#lanes ? min(e, u32(results - 1)) : e),
              ...result(q, div(own, u32(across)), mod(own, u32(across))),
            ],
          },
        ];
      }),
    ];
  }
}

const times = (scale: number, value: F32): F32 => (scale === 1 ? value : mul(f32(scale), value));
