import {
  add,
  and,
  type Bool,
  define,
  div,
  id,
  type Kernel,
  literalValue,
  lt,
  mod,
  mul,
  ref,
  repeat,
  type Stmt,
  type U32,
  u32,
  type View,
} from '../ir/kir.js';
import type { Launch, Product } from '../model/types.js';
import { allInVectors, VECTOR } from '../plan/vectors.js';
import { storeResults, storeVectors, tileOfResults } from './epilogue.js';
import { ELEMENT, FOUR, type Lanes } from './lanes.js';
import { Parameters } from './parameters.js';

/**
 * Adds the parts of a product in the order of their numbers, so that the result does not depend on timing, and does what the
 * product's epilogue says. An invocation makes one result of a tile of BM x BN, or four neighbours of it; the loads of all parts are
 * in flight together.
 */
export function finishKernel({ name, does, work, schedule }: Launch): Kernel {
  if (work.kind !== 'finish') throw new Error(`${name} finishes no product`);
  const { BM, BN, vec } = schedule;
  const { partials, parts, epilogue, out } = work;
  const whole: Product = {
    kind: 'product',
    rows: work.rows,
    cols: work.cols,
    segments: [],
    epilogue,
    out,
    parts: 1,
  };
  const wide = vec === VECTOR && partials.offset % VECTOR === 0 && allInVectors(whole);
  const each = wide ? VECTOR : 1;
  const params = new Parameters(wide ? 'vectors' : 'elements');
  const [rows, cols] = [params.length(work.rows), u32(work.cols)];
  params.reads(partials.buffer, partials.dtype);
  const from: View = {
    buffer: partials.buffer,
    offset: u32(partials.offset),
    extents: [u32(parts), rows, cols],
    strides: [mul(rows, cols), cols, u32(1)],
  };
  const row = ref('u32', 'row');
  // a factor that is seen says that a vector begins at a multiple of four
  const col = mul(ref('u32', 'col'), u32(each));
  const inside = and(lt(row, rows), lt(col, cols));
  const across = u32(Math.max(1, BN / each));
  const at: Parts = { from, row, col, inside };
  const results = { array: 'acc', row, col, each: tileOfResults(1, 1), rows, cols };
  const stored = wide ? storeVectors(params, whole, results) : storeResults(params, whole, results);
  return {
    name,
    about: [`${does}.`, `${work.rows} x ${work.cols}, ${parts} parts; ${BM}x${BN} results per workgroup.`],
    workgroup: [BM * (literalValue(across) ?? 1), 1, 1],
    ...params.list(),
    arrays: [{ name: 'acc', space: 'register', size: 1, ...(wide ? { vector: true as const } : {}) }],
    body: [
      define('row', add(mul(id('group', 1), u32(BM)), div(id('local', 0), across))),
      define('col', add(mul(id('group', 0), across), mod(id('local', 0), across))),
      ...(wide ? added(parts, at, FOUR) : added(parts, at, ELEMENT)),
      ...stored,
    ],
  };
}

/** Where the parts of what an invocation adds are. */
interface Parts {
  readonly from: View;
  readonly row: U32;
  readonly col: U32;
  readonly inside: Bool;
}

/** Leaves their sum in `acc`. */
function added<T extends 'f32' | 'f32x4'>(
  parts: number,
  { from, row, col, inside }: Parts,
  { type, zero, load, poke }: Lanes<T>,
): Stmt[] {
  const sum = ref(type, 'sum');
  return [
    { s: 'var', name: 'sum', init: zero },
    repeat('part', parts, (part) => [
      { s: 'assign', name: 'sum', value: add(sum, load(from, [part, row, col], inside)) },
    ]),
    poke('acc', u32(0), sum),
  ];
}
