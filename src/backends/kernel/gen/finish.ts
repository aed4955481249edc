import {
  add,
  and,
  define,
  div,
  f32,
  id,
  type Kernel,
  load,
  lt,
  mod,
  mul,
  poke,
  ref,
  repeat,
  u32,
  type View,
} from '../ir/kir.js';
import type { Launch } from '../model/types.js';
import { storeResults, tileOfResults } from './epilogue.js';
import { Parameters } from './parameters.js';

/**
 * Adds the parts of a product in the order of their numbers, so that the result does not depend on timing, and does what the
 * product's epilogue says. An invocation makes one result of a tile of BM x BN; the loads of all parts are in flight together.
 */
export function finishKernel({ name, does, work, schedule }: Launch): Kernel {
  if (work.kind !== 'finish') throw new Error(`${name} finishes no product`);
  const { BM, BN } = schedule;
  const { partials, parts, epilogue, out } = work;
  const params = new Parameters();
  const [rows, cols] = [params.length(work.rows), u32(work.cols)];
  params.reads(partials.buffer, partials.dtype);
  const from: View = {
    buffer: partials.buffer,
    offset: u32(partials.offset),
    extents: [u32(parts), rows, cols],
    strides: [mul(rows, cols), cols, u32(1)],
  };
  const [row, col, sum] = [ref('u32', 'row'), ref('u32', 'col'), ref('f32', 'sum')];
  const inside = and(lt(row, rows), lt(col, cols));
  const results = storeResults(
    params,
    { kind: 'product', rows: work.rows, cols: work.cols, segments: [], epilogue, out, parts: 1 },
    { array: 'acc', row, col, each: tileOfResults(1, 1), rows, cols },
  );
  return {
    name,
    about: [`${does}.`, `${work.rows} x ${work.cols}, ${parts} parts; ${BM}x${BN} results per workgroup.`],
    workgroup: [BM * BN, 1, 1],
    ...params.list(),
    arrays: [{ name: 'acc', space: 'register', size: 1 }],
    body: [
      define('row', add(mul(id('group', 1), u32(BM)), div(id('local', 0), u32(BN)))),
      define('col', add(mul(id('group', 0), u32(BN)), mod(id('local', 0), u32(BN)))),
      { s: 'var', name: 'sum', init: f32(0) },
      repeat('part', parts, (part) => [
        { s: 'assign', name: 'sum', value: add(sum, load(from, [part, row, col], inside)) },
      ]),
      poke('acc', u32(0), sum),
      ...results,
    ],
  };
}
