import {
  add,
  and,
  comment,
  define,
  type F32,
  f32,
  id,
  load,
  load4,
  lt,
  mul,
  part,
  peek,
  peek4,
  poke,
  ref,
  repeat,
  type Stmt,
  splat,
  store,
  storePair,
  type U32,
  u32,
  type View,
  vector,
} from '../ir/kir.js';
import type { Epilogue, Extent, Product } from '../model/types.js';
import { activate } from './maths.js';
import type { Parameters } from './parameters.js';

/** Statements for one result: its place in the register array, and its row and column from the first ones on. */
type Result = (index: U32, row: U32, col: U32) => readonly Stmt[];

/**
 * Where an invocation's results lie: a register array, the first row and column, and a walk over all of them or, where
 * every second one is followed by its neighbour along the row, over pairs.
 */
export interface Results {
  readonly array: string;
  readonly row: U32;
  readonly col: U32;
  readonly each: (result: Result, width: 1 | 2) => readonly Stmt[];
  /** the walk can be over pairs, the first of which lie in even columns */
  readonly paired?: true;
  /** size of the result */
  readonly rows: U32;
  readonly cols: U32;
}

/**
 * Scale, bias, residual, activation, addition to what is there, and the guarded store, for each result; for two at once
 * where they are neighbours in memory.
 */
export function storeResults(params: Parameters, work: Product, results: Results): Stmt[] {
  const { array, row, col, each, rows, cols } = results;
  const width = results.paired && inPairs(work) ? 2 : 1;
  const { epilogue } = work;
  const { view, adds, about } = target(params, work, rows, cols);
  return [
    comment(about),
    define('out_row', row),
    define('out_col', col),
    ...each((index, i, j) => {
      const at = [add(ref('u32', 'out_row'), i), add(ref('u32', 'out_col'), j)] as const;
      const right = [at[0], add(at[1], u32(1))] as const;
      const sum = (place: U32) =>
        epilogue.scale === 1 ? peek(array, place) : mul(f32(epilogue.scale), peek(array, place));
      const inside = and(lt(at[0], rows), lt(at[1], cols));
      const one = finished(params, work, sum(index), at, rows, cols);
      if (width === 1) {
        const body = [...one, store(view, at, finalValue(adds, view, at, 'result'))];
        return [{ s: 'if', cond: inside, body }];
      }
      const other = finished(params, work, sum(add(index, u32(1))), right, rows, cols, 'next');
      const [value, next] = [finalValue(adds, view, at, 'result'), finalValue(adds, view, right, 'next')];
      const body = [...one, ...other, storePair(view, at, value, next)];
      return [{ s: 'if', cond: and(inside, lt(right[1], cols)), body }];
    }, width),
  ];
}

/**
 * The same without the store: results stay in the register array, where they are finished. Nothing is added to what is in memory.
 * None where sums are the results.
 */
export function finishResults(params: Parameters, work: Product, results: Omit<Results, 'paired'>): Stmt[] {
  const { array, row, col, each, rows, cols } = results;
  const { scale, bias, residual, activation } = work.epilogue;
  if (scale === 1 && !bias && !residual && !activation) return [];
  return [
    comment('results'),
    define('out_row', row),
    define('out_col', col),
    ...each((index, i, j) => {
      const at = [add(ref('u32', 'out_row'), i), add(ref('u32', 'out_col'), j)] as const;
      const sum = scale === 1 ? peek(array, index) : mul(f32(scale), peek(array, index));
      const body = [...finished(params, work, sum, at, rows, cols), poke(array, index, ref('f32', 'result'))];
      return [{ s: 'if', cond: and(lt(at[0], rows), lt(at[1], cols)), body }];
    }, 1),
  ];
}

/** The same for vectors of four results; the walk is over vectors. */
export function storeVectors(
  params: Parameters,
  work: Product,
  { array, row, col, each, rows, cols }: Omit<Results, 'paired'>,
): Stmt[] {
  const { view, adds, about } = target(params, work, rows, cols);
  const { epilogue, parts } = work;
  return [
    comment(about),
    define('out_row', row),
    define('out_col', col),
    ...each((index, i, j) => {
      const at = [add(ref('u32', 'out_row'), i), add(ref('u32', 'out_col'), mul(j, u32(4)))] as const;
      const { bias, residual, activation } = parts > 1 ? NOTHING : epilogue;
      let value = peek4(array, index);
      if (epilogue.scale !== 1) value = mul(splat(f32(epilogue.scale)), value);
      if (bias) value = add(value, load4(biasView(params, bias, cols), [at[1]]));
      if (residual) {
        params.reads(residual.buffer, residual.dtype);
        value = add(value, load4(params.matrix(residual, rows, cols), at));
      }
      const before = activation ? 'preactivation' : 'result';
      const one = (k: 0 | 1 | 2 | 3) => activate(activation!, part(ref('f32x4', before), k));
      const result = ref('f32x4', 'result');
      const body = [
        define(before, value),
        ...(activation ? [define('result', vector([one(0), one(1), one(2), one(3)]))] : []),
        store(view, at, adds ? add(load4(view, at), result) : result),
      ];
      return [{ s: 'if', cond: and(lt(at[0], rows), lt(at[1], cols)), body }];
    }, 1),
  ];
}

/** What the launch that adds the parts of a sum does. */
const NOTHING: Partial<Epilogue> = {};

/** Where results go, whether they are added to what is there, and what they are. */
function target(params: Parameters, { out, parts, epilogue }: Product, rows: U32, cols: U32) {
  const adds = epilogue.accumulate && parts === 1;
  if (adds) params.reads(out.buffer, out.dtype);
  params.writes(out.buffer, out.dtype);
  const whole = params.matrix(out, rows, cols);
  const own: View = {
    ...whole,
    offset: add(whole.offset, mul(id('group', 2), mul(rows, cols))),
    strides: [cols, u32(1)],
  };
  return parts > 1
    ? { view: own, adds, about: 'this part of the sum' }
    : { view: whole, adds, about: 'results' };
}

function biasView(params: Parameters, bias: NonNullable<Epilogue['bias']>, cols: U32): View {
  params.reads(bias.buffer, bias.dtype);
  return { buffer: bias.buffer, offset: u32(bias.offset), extents: [cols], strides: [u32(1)] };
}

/** TM x TN neighbouring results, row by row. */
export const tileOfResults =
  (TM: number, TN: number): Results['each'] =>
  (result) => [
    repeat('out_i', TM, (i) => [repeat('out_j', TN, (j) => result(add(mul(i, u32(TN)), j), i, j))]),
  ];

/** Whether rows of the result, and what a part of a sum takes, begin at even places. */
function inPairs({ out, cols, parts }: Product): boolean {
  const even = (extent: Extent) => typeof extent === 'number' && extent % 2 === 0;
  return even(cols) && even(out.offset) && (parts > 1 || even(out.rowStride));
}

const finalValue = (adds: boolean, view: View, at: readonly U32[], name: string) =>
  adds ? add(load(view, at), ref('f32', name)) : ref('f32', name);

/** Defines `name`: what is stored, or added to what is there. */
function finished(
  params: Parameters,
  { epilogue, parts }: Product,
  sum: F32,
  at: readonly [U32, U32],
  rows: U32,
  cols: U32,
  name = 'result',
): Stmt[] {
  const { bias, residual, activation } = epilogue;
  if (parts > 1) return [define(name, sum)];
  let value = sum;
  if (bias) {
    value = add(value, load(biasView(params, bias, cols), [at[1]]));
  }
  if (residual) {
    params.reads(residual.buffer, residual.dtype);
    value = add(value, load(params.matrix(residual, rows, cols), at));
  }
  if (!activation) return [define(name, value)];
  const before = name === 'result' ? 'preactivation' : `${name}_preactivation`;
  return [define(before, value), define(name, activate(activation, ref('f32', before)))];
}
