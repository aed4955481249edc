import {
  type ArrayDecl,
  add,
  and,
  barrier,
  comment,
  define,
  div,
  f32,
  fma,
  id,
  type Kernel,
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
  store,
  type U32,
  u32,
  type View,
} from '../ir/kir.js';
import type { Launch, Placed, RowAdapters, RowDown, RowUp, TileSchedule } from '../model/types.js';
import { Parameters } from './parameters.js';
import { TAKEN, type Taken } from './taken.js';

/**
 * Kernels for rows that have adapters of their own, in any order: a workgroup works for one row, with the matrices of its adapter alone,
 * and only as far as that adapter's rank. Sums are taken in one order always. A row without an adapter reads no matrix.
 */

/** Lines of the last matrices whose loads are in flight together. */
const AT_ONCE = 4;

const [ROW, ADAPTER, RANK, LANE] = ['row', 'adapter', 'rank', 'lane'].map((name) => ref('u32', name)) as [
  U32,
  U32,
  U32,
  U32,
];

const ranksIn = ({ of }: RowDown, { BN }: TileSchedule): number => Math.ceil(of.most / BN);
const chunksIn = ({ cols }: RowUp, { BN }: TileSchedule): number => Math.ceil(cols / BN);

/** Workgroups for one row. */
export const rowGroups = (work: RowDown | RowUp, schedule: TileSchedule): number =>
  work.kind === 'row-down' ? work.downs * ranksIn(work, schedule) : work.layers * chunksIn(work, schedule);

/** Which adapter each row has, and the ranks of adapters. */
function readsTables(params: Parameters, { rows, ranks }: RowAdapters): void {
  params.reads(rows.buffer, 'u32');
  params.reads(ranks.buffer, 'u32');
}

/** Parameters of a kernel whose invocations take numbers so, but for those of `singles`. */
function parametersFor({ vectors }: Taken, singles: readonly { readonly buffer: string }[]): Parameters {
  const params = new Parameters(vectors ? 'vectors' : 'elements');
  for (const { buffer } of singles) params.single(buffer);
  return params;
}

/** Defines the row of a workgroup, its adapter and that adapter's rank. */
function adapterOfRow({ rows, ranks, count, most }: RowAdapters, length: U32): Stmt[] {
  return [
    define('row', id('group', 1)),
    define('adapter', loadIndex(line(rows, length), [ROW], lt(ROW, length))),
    comment('0 where the row has no adapter'),
    define('rank', min(loadIndex(line(ranks, u32(count)), [ADAPTER], isAdapter(count)), u32(most))),
  ];
}

const isAdapter = (count: number) => lt(ADAPTER, u32(count));

const line = (
  { buffer, offset }: { readonly buffer: string; readonly offset: number },
  length: U32,
): View => ({
  buffer,
  offset: u32(offset),
  extents: [length],
  strides: [u32(1)],
});

/** A buffer without gaps, of these lengths from an element on. */
function lying(buffer: string, offset: number, lengths: readonly (number | U32)[]): View {
  const sizes = lengths.slice(1).map(Number);
  return {
    buffer,
    offset: u32(offset),
    extents: lengths.map((length) => (typeof length === 'number' ? u32(length) : length)),
    strides: lengths.map((_, axis) => u32(sizes.slice(axis).reduce((all, size) => all * size, 1))),
  };
}

/** What the kernels for rows have in common: the row, its adapter and that adapter's rank come first. */
function rowKernel(
  { name, does }: Launch,
  params: Parameters,
  taken: Taken,
  {
    about,
    threads,
    length,
    of,
    ...own
  }: {
    readonly about: string;
    readonly threads: number;
    /** number of rows */
    readonly length: U32;
    readonly of: RowAdapters;
    readonly arrays: readonly ArrayDecl[];
    readonly body: readonly Stmt[];
  },
): Kernel {
  const first = [define('lane', id('local', 0)), ...adapterOfRow(of, length)];
  return {
    name,
    about: [`${does}.`, about],
    workgroup: [threads, 1, 1],
    ...params.list(),
    ...(taken.count === 8 ? { eights: true as const } : {}),
    arrays: own.arrays,
    body: [...first, ...own.body],
  };
}

/** P = x down, some columns in a workgroup. */
export function rowDownKernel(launch: Launch, work: RowDown): Kernel {
  const { schedule } = launch;
  const { inner, downs, of, x, down, out } = work;
  const { most, count } = of;
  const taken = TAKEN[work.together];
  const params = parametersFor(taken, [out]);
  const rows = params.length(work.rows);
  const each = taken.count;
  const [RANKS, threads, along] = [schedule.BN, schedule.BK / each, ranksIn(work, schedule)];
  const k = mul(ref('u32', 'k'), u32(each));
  const [first, which, column] = ['first', 'which', 'column'].map((one) => ref('u32', one)) as [
    U32,
    U32,
    U32,
  ];
  readsTables(params, of);
  params.reads(x.buffer, x.dtype);
  params.reads(down.buffer, down.dtype);
  params.writes(out.buffer, out.dtype);
  const xs = { ...params.matrix(x, rows, u32(inner)) };
  const matrices = lying(down.buffer, down.offset, [count, downs, most, inner]);
  const lanes = u32(threads);
  const halves = Array.from({ length: Math.log2(threads) }, (_, n) => threads >> (n + 1));
  return rowKernel(launch, params, taken, {
    about: `A row for each workgroup, ${RANKS} sums of ${inner} over ${threads} threads, ${each} at a time.`,
    threads,
    length: rows,
    of,
    arrays: [
      { name: 'sums', space: 'workgroup', size: RANKS * threads, folded: true },
      taken.sums('acc', RANKS),
      taken.array('x_part', 1),
      taken.array('part', RANKS),
    ],
    body: [
      define('which', downs === 1 ? u32(0) : div(id('group', 0), u32(along))),
      define('first', mul(downs === 1 ? id('group', 0) : mod(id('group', 0), u32(along)), u32(RANKS))),
      define('end', select(lt(first, RANK), u32(Math.ceil(inner / each)), u32(0))),
      loop('k0', u32(0), ref('u32', 'end'), lanes, (k0) => [
        define('k', add(k0, LANE)),
        taken.load('x_part', 0, xs, [ROW, k], and(lt(ROW, rows), lt(k, u32(inner)))),
        ...upTo(RANKS, (n) => {
          const j = add(first, u32(n));
          const inside = and(
            and(isAdapter(count), lt(which, u32(downs))),
            and(lt(j, RANK), lt(k, u32(inner))),
          );
          return [taken.load('part', n, matrices, [ADAPTER, which, j, k], inside)];
        }),
        repeat('n', RANKS, (n) => [taken.addProducts('acc', 'x_part', 'part', n)]),
      ]),
      comment('the sums of all threads, half of them at a time'),
      repeat('put', RANKS, (n) => [poke('sums', add(mul(n, lanes), LANE), taken.sum('acc', n))]),
      barrier,
      ...halves.flatMap((half): Stmt[] => [
        {
          s: 'if',
          cond: lt(LANE, u32(half)),
          body: [
            define('own', min(LANE, u32(half - 1))),
            repeat(`add_${half}`, RANKS, (n) => {
              const at = add(mul(n, lanes), ref('u32', 'own'));
              return [poke('sums', at, add(peek('sums', at), peek('sums', add(at, u32(half)))))];
            }),
          ],
        },
        barrier,
      ]),
      {
        s: 'if',
        cond: and(lt(LANE, u32(RANKS)), and(lt(add(first, LANE), u32(most)), lt(ROW, rows))),
        body: [
          define('sum', min(LANE, u32(RANKS - 1))),
          define('column', add(mul(which, u32(most)), add(first, LANE))),
          store(
            params.matrix(out, rows, u32(downs * most)),
            [ROW, column],
            peek('sums', mul(ref('u32', 'sum'), lanes)),
            lt(column, u32(downs * most)),
          ),
        ],
      },
    ],
  });
}

/** What the adapters of rows add to the layers: T = s P M for the workgroup's row and layer, then T L for some columns of it. */
export function rowUpKernel(launch: Launch, work: RowUp): Kernel {
  const { schedule } = launch;
  const { cols, layers, downs, ups, of, p, core, up, out } = work;
  const { most, count, scales } = of;
  const taken = TAKEN[work.together];
  const params = parametersFor(taken, [scales, p, ...(core ? [core] : [])]);
  const rows = params.length(work.rows);
  const each = taken.count;
  const threads = schedule.BN / each;
  // T has zeros beyond the rank, as far as lines are loaded together
  const room = AT_ONCE * Math.ceil(most / AT_ONCE);
  const [layer, j] = [ref('u32', 'layer'), ref('u32', 'j')];
  const col = mul(ref('u32', 'col'), u32(each));
  readsTables(params, of);
  params.reads(scales.buffer, scales.dtype);
  params.reads(p.buffer, p.dtype);
  if (core) params.reads(core.buffer, core.dtype);
  params.reads(up.buffer, up.dtype);
  params.writes(out.buffer, out.dtype);
  const chunks = chunksIn(work, schedule);
  const known = and(isAdapter(count), lt(ROW, rows));
  const ofLayer = (n: number) => (n === 1 ? u32(0) : layer);
  const P = (i: U32) =>
    load(
      lying(p.buffer, p.offset, [rows, downs, most]),
      [ROW, ofLayer(downs), i],
      and(known, lt(layer, u32(layers))),
    );
  const matrices = lying(up.buffer, up.offset, [count, ups, most, cols]);
  const ofCore = (of: Placed): readonly Stmt[] => [
    loop('i', u32(0), RANK, u32(1), (i) => {
      const m = load(
        lying(of.buffer, of.offset, [count, layers, most, most]),
        [ADAPTER, layer, i, j],
        and(known, lt(layer, u32(layers))),
      );
      return [{ s: 'assign', name: 'sum', value: fma(P(i), m, ref('f32', 'sum')) }];
    }),
  ];
  const result = lying(out.buffer, out.offset, [rows, layers, cols]);
  const inside = and(lt(layer, u32(layers)), lt(col, u32(cols)));
  const chunk = layers === 1 ? id('group', 0) : mod(id('group', 0), u32(chunks));
  return rowKernel(launch, params, taken, {
    about: `A row and ${threads * each} columns of a layer for each workgroup, ${each} for each of ${threads} threads.`,
    threads,
    length: rows,
    of,
    arrays: [
      { name: 't', space: 'workgroup', size: room },
      taken.array('acc', 1),
      taken.array('part', AT_ONCE),
    ],
    body: [
      define('layer', layers === 1 ? u32(0) : div(id('group', 0), u32(chunks))),
      define('col', add(mul(chunk, u32(threads)), LANE)),
      define('scale', load(line(scales, u32(count)), [ADAPTER], isAdapter(count))),
      comment(core ? 'T = s P M' : 'T = s P'),
      loop('j0', u32(0), u32(room), u32(threads), (j0) => [
        define('j', add(j0, LANE)),
        {
          s: 'if',
          cond: lt(j, u32(room)),
          body: [
            { s: 'var', name: 'sum', init: f32(0) },
            {
              s: 'if',
              cond: lt(j, RANK),
              body: core ? ofCore(core) : [{ s: 'assign', name: 'sum', value: P(j) }],
            },
            poke('t', j, mul(ref('f32', 'scale'), ref('f32', 'sum'))),
          ],
        },
      ]),
      barrier,
      loop('n', u32(0), RANK, u32(AT_ONCE), (n) => [
        ...upTo(AT_ONCE, (q) => {
          const at = [ADAPTER, ofLayer(ups), add(n, u32(q)), col];
          return [taken.load('part', q, matrices, at, and(and(isAdapter(count), lt(at[2]!, RANK)), inside))];
        }),
        repeat('q', AT_ONCE, (q) => [
          taken.addScaled('acc', peek('t', min(add(n, q), u32(room - 1))), 'part', q),
        ]),
      ]),
      taken.store('acc', result, [ROW, layer, col], and(lt(ROW, rows), inside)),
    ],
  });
}

const upTo = (count: number, make: (n: number) => readonly Stmt[]): Stmt[] =>
  Array.from({ length: count }, (_, n) => make(n)).flat();
