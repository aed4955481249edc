import { fail } from '../../../ir/diagnostics.js';
import { refused } from '../../codes/kernel-ir.js';
import { SM_90A_BYTES } from '../device/blocks.js';
import {
  add,
  type BufferParam,
  comment,
  define,
  div,
  f32,
  id,
  type Kernel,
  mod,
  mul,
  poke,
  ref,
  repeat,
  type Stmt,
  sub,
  type U32,
  u32,
} from '../ir/kir.js';
import { UNIT, UNIT_RESULTS, WARP } from '../ir/units.js';
import {
  boxRows,
  isPackedOperand,
  type MapParam,
  type PackedOperand,
  type RingDecl,
  ringBytes,
  type Tiles,
  WARPGROUP,
  WARPGROUP_ROWS,
  WARPGROUP_UNIT,
} from '../ir/warpgroups.js';
import type { Launch, Operand, Product, TileSchedule } from '../model/types.js';
import { codeTableBytes } from '../plan/code-tables.js';
import { scheduleText } from '../plan/schedule.js';
import { sendsResults, warpgroupTypeOf, whyNoWarpgroups } from '../plan/warpgroup-schedule.js';
import { finishResults, type Results, storeResults } from './epilogue.js';
import { codeTables, tableName } from './packed-words.js';
import { Parameters } from './parameters.js';
import { aboutProduct, productIn } from './product-work.js';
import { unitResults } from './unit-results.js';

/** Registers of a thread by the number of warpgroups that multiply: of the one that loads, and of these. */
const REGISTERS: Readonly<Record<number, readonly [bring: number, multiply: number]>> = {
  2: [40, 232],
  3: [32, 160],
};
/** The same where the one that loads unpacks words. */
const UNPACKING: typeof REGISTERS = { 2: [96, 200], 3: [80, 144], 4: [128, 88] };

/**
 * The kernel of a product for warpgroups (tier T2: `wgmma`, fed by the copy engine through tensor maps; sm_90a). A block
 * computes BM x BN results: one thread of the first warpgroup has tiles brought into a ring of `stages`, each of the others
 * multiplies 64 rows. A block computes one tile after another: while results of one are stored, the next is on its way.
 * With `pairs` two blocks of a column of tiles share those of the second operands. Segments follow each other in one ring (concat-K), each read as it is stored; the copy engine writes
 * zeros for what lies beyond a matrix. Second operands that are packed are unpacked to the ring by the first warpgroup. Throws LOTR6101 for a product or schedule that warpgroups do not take.
 */
export function warpgroupProductKernel(launch: Launch): Kernel {
  const { schedule, name } = launch;
  const work = productIn(launch);
  const why = whyNoWarpgroups(work, schedule);
  if (why !== null) return fail(refused({ launch: name, why }));
  const { BM, BN, stages } = schedule;
  const type = warpgroupTypeOf(work)!;
  const params = new Parameters();
  const pair = schedule.pairs ? ({ pair: true } as const) : {};
  const { maps, tiles } = mapped(params, work, schedule);
  const multipliers = BM / WARPGROUP_ROWS;
  const lane = ref('u32', 'lane');
  const threads = WARPGROUP * (1 + multipliers);
  const tables = codeTables(work.segments, lane, threads);
  const unpacks = tiles.some(({ b }) => isPackedOperand(b));
  const registers = (unpacks ? UNPACKING : REGISTERS)[multipliers];
  const bringsMore = registers !== undefined && registers[0] > registers[1];
  const counted = (count: number | undefined, more: boolean): Stmt[] =>
    count === undefined ? [] : [{ s: 'registers', count, more }];
  const bare: RingDecl = {
    ...{ type, rows: BM, cols: BN, stages, ...pair },
    ...(unpacks ? { unpacks } : {}),
    across: div(add(params.length(work.cols), u32(BN - 1)), u32(BN)),
    down: div(add(params.length(work.rows), u32(BM - 1)), u32(BM)),
  };
  const sending: RingDecl = { ...bare, sends: true };
  // where boxes of results have no room next to the ring, threads store results
  const sends = sendsResults(work) && ringBytes(sending) + codeTableBytes(work.segments) <= SM_90A_BYTES;
  const way = waysOut(params, work, BN, sends ? `map_${maps.length}_${work.out.buffer}` : null);
  const sums = (BN * UNIT.rows) / WARP;
  const places = [define('row0', mul(id('group', 1), u32(BM))), define('col0', mul(id('group', 0), u32(BN)))];
  const { buffers, uniforms } = params.list();
  const all = [...maps, ...way.maps];
  const mappedOnly = new Set(all.map(({ view }) => view.buffer));
  return {
    name,
    about: aboutProduct(launch, work, `tiles ${scheduleText(schedule)}, warpgroups in ${type}`),
    workgroup: [threads, 1, 1],
    buffers: buffers.map(
      (buffer): BufferParam => (mappedOnly.has(buffer.name) ? { ...buffer, mapped: true } : buffer),
    ),
    uniforms,
    arrays: [{ name: 'acc', space: 'register', size: sums }, ...tables.arrays],
    ring: sends ? sending : bare,
    maps: all,
    body: [
      ...(way.byThread || tables.fill.length > 0 ? [define('lane', id('local', 0))] : []),
      ...tables.fill,
      { s: 'ring' },
      {
        s: 'roles',
        threads: WARPGROUP,
        first: [
          comment(
            unpacks ? 'one thread has tiles brought, all unpack words' : 'one thread has tiles brought',
          ),
          ...counted(registers?.[0], bringsMore),
          { s: 'each', body: [...places, ...feeds(tiles)] },
        ],
        rest: [
          comment('64 rows of results for each warpgroup'),
          ...counted(registers?.[1], !bringsMore),
          {
            s: 'each',
            body: [
              ...places,
              repeat('sum', sums, (at) => [poke('acc', at, f32(0))]),
              ...tiles.map((part): Stmt => ({ s: 'drain', tiles: part, acc: 'acc' })),
              { s: 'drained', acc: 'acc' },
              ...way.results,
            ],
          },
          ...way.end,
        ],
      },
      ...(schedule.pairs ? [{ s: 'leave' } as const] : []),
    ],
  };
}

/** The last segment is the adapter's: a launch just before may have computed its P, and is waited for there. */
const feeds = (tiles: readonly Tiles[]): readonly Stmt[] =>
  tiles.flatMap((part, index): Stmt[] => {
    const last = index > 0 && index === tiles.length - 1;
    return [...(last ? [{ s: 'settle' } as const] : []), { s: 'feed', tiles: part }];
  });

/** An operand that is packed; null: its numbers are stored as they are. */
function unpackedOf(params: Parameters, { matrix, transposed }: Operand): PackedOperand | null {
  const { packed } = matrix;
  if (!packed) return null;
  const { bits, block, table } = packed;
  const views = params.packed(matrix, packed);
  return { ...views, table: table && tableName(table), how: { bits, block }, transposed };
}

/** The maps of all operands, in order of mention and each once, and the tiles of the segments. */
function mapped(
  params: Parameters,
  work: Product,
  { BM, BN, pairs }: TileSchedule,
): { readonly maps: readonly MapParam[]; readonly tiles: readonly Tiles[] } {
  const maps = new Map<string, MapParam>();
  const [rows, cols] = [params.length(work.rows), params.length(work.cols)];
  const boxed = (operand: Operand, of: readonly [U32, U32], boxHeight: number) => {
    const { view, transposed } = params.operand(operand, of[0], of[1], u32(0));
    const key = JSON.stringify([view, boxHeight]);
    const map = maps.get(key) ?? { name: `map_${maps.size}_${view.buffer}`, view, rows: boxHeight };
    maps.set(key, map);
    return { map: map.name, transposed };
  };
  const tiles = work.segments.map(({ a, b, inner: length }): Tiles => {
    const inner = params.length(length);
    return {
      a: boxed(a, [rows, inner], boxRows(!a.transposed, BM)),
      b: unpackedOf(params, b) ?? boxed(b, [inner, cols], boxRows(b.transposed, BN, pairs)),
      row: ref('u32', 'row0'),
      col: ref('u32', 'col0'),
      inner,
    };
  });
  return { maps: [...maps.values()], tiles };
}

/**
 * How results reach memory: threads store them, or, by a map of this name, the copy engine takes them. A warp holds 16 rows;
 * within 8 columns its threads hold results as UNIT_RESULTS says.
 */
function waysOut(
  params: Parameters,
  work: Product,
  BN: number,
  name: string | null,
): {
  readonly maps: readonly MapParam[];
  readonly results: readonly Stmt[];
  readonly end: readonly Stmt[];
  /** each thread does something with its results */
  readonly byThread: boolean;
} {
  const lane = ref('u32', 'lane');
  const [row0, col0] = [ref('u32', 'row0'), ref('u32', 'col0')];
  const [warp, own] = [div(sub(lane, u32(WARPGROUP)), u32(WARP)), mod(lane, u32(WARP))];
  const [rows, cols] = [params.length(work.rows), params.length(work.cols)];
  const results: Results = {
    array: 'acc',
    row: add(row0, add(mul(warp, u32(UNIT.rows)), div(own, u32(4)))),
    col: add(col0, mul(mod(own, u32(4)), u32(2))),
    ...{ rows, cols },
    paired: true,
    each: (result, width) => [
      repeat('out_j', BN / WARPGROUP_UNIT, (j) =>
        unitResults(width, (e, down, along) =>
          result(add(mul(j, u32(UNIT_RESULTS)), e), down, add(mul(j, u32(WARPGROUP_UNIT)), along)),
        ),
      ),
    ],
  };
  if (name === null)
    return { maps: [], results: storeResults(params, work, results), end: [], byThread: true };
  const finished = finishResults(params, work, results);
  params.writes(work.out.buffer, work.out.dtype);
  const view = params.matrix(work.out, rows, cols);
  return {
    maps: [{ name, view, rows: WARPGROUP_ROWS }],
    results: [...finished, { s: 'send', acc: 'acc', map: name, row: row0, col: col0 }],
    end: [{ s: 'sent' }],
    byThread: finished.length > 0,
  };
}
