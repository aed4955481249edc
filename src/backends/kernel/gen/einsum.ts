import {
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
  load,
  loop,
  lt,
  mod,
  mul,
  peek,
  poke,
  ref,
  type Stmt,
  store,
  type U32,
  u32,
  type View,
} from '../ir/kir.js';
import type { EinsumWork, Launch, StridedRef } from '../model/types.js';
import { Parameters } from './parameters.js';

/** Workgroups along the first axis of a grid: a device has at least these, and further ones are a second row. */
const ACROSS = 32768;

/** Workgroups of an einsum along x and y. */
export function einsumGrid({ work, schedule }: Launch): readonly [number, number, number] {
  const groups = Math.ceil(resultsOf(work as EinsumWork) / schedule.BM);
  const rows = Math.ceil(groups / ACROSS);
  return [Math.ceil(groups / rows), rows, 1];
}

const product = (extents: readonly number[]): number => extents.reduce((all, extent) => all * extent, 1);

/** Numbers that an einsum gives. */
const resultsOf = ({ extents, kept }: EinsumWork): number => product(extents.slice(0, kept));

/**
 * The kernel of an einsum: a workgroup makes BM results, one in each invocation; or one, whose sum is spread over its BK
 * invocations and added up in the order of their numbers.
 */
export function einsumKernel(launch: Launch): Kernel {
  const { work, schedule, name, does } = launch;
  if (work.kind !== 'einsum') throw new Error(`${name} is not an einsum`);
  const params = new Parameters();
  const { extents, kept, operands, out, scale, accumulate } = work;
  const [results, summed] = [resultsOf(work), product(extents.slice(kept))];
  const spread = schedule.BM === 1;
  const lanes = spread ? schedule.BK : schedule.BM;
  const element = ref('u32', 'element');
  const lane = ref('u32', 'lane');
  for (const { buffer, dtype } of operands) params.reads(buffer, dtype);
  if (accumulate) params.reads(out.buffer, out.dtype);
  params.writes(out.buffer, out.dtype);
  const of = { extents: extents.map(u32), at: (axis: number) => ref('u32', `at_${axis}`) };
  const value = operands
    .map((operand) => load(...access(operand, of)))
    .reduceRight<F32 | null>((after, factor) => (after ? mul(factor, after) : factor), null);
  const sum = ref('f32', 'sum');
  const start = (from: U32, step: U32): Stmt[] => [
    { s: 'var', name: 'sum', init: f32(0) },
    loop('point', from, u32(summed), step, (point) => [
      ...places(extents, kept, extents.length, point),
      { s: 'assign', name: 'sum', value: summedWith(operands, of, sum) },
    ]),
  ];
  const [view, at] = access(out, { ...of, extents: of.extents.slice(0, kept) });
  const finished = (whole: F32): Stmt => {
    const scaled = scale === 1 ? whole : mul(f32(scale), whole);
    return store(view, at, accumulate ? add(load(view, at), scaled) : scaled);
  };
  const inside = lt(element, u32(results));
  const group = add(mul(id('group', 1), u32(einsumGrid(launch)[0])), id('group', 0));
  const here = places(extents, 0, kept, element);
  const one = value ?? f32(0);
  return {
    name,
    about: [
      `${does}.`,
      `${extents.slice(0, kept).join(' x ') || 1} results${summed > 1 ? `, sums of ${summed}` : ''}; ${spread ? `each over ${lanes} invocations` : `${lanes} per workgroup`}.`,
    ],
    workgroup: [lanes, 1, 1],
    ...params.list(),
    arrays: spread ? [{ name: 'sums', space: 'workgroup', size: lanes }] : [],
    body: spread
      ? [
          define('lane', id('local', 0)),
          define('element', group),
          ...here,
          ...start(lane, u32(lanes)),
          comment('every invocation has a part of the sum; the first one adds them'),
          poke('sums', lane, sum),
          barrier,
          {
            s: 'if',
            cond: and(lt(lane, u32(1)), inside),
            body: [
              { s: 'var', name: 'total', init: f32(0) },
              loop('part', u32(0), u32(lanes), u32(1), (part) => [
                { s: 'assign', name: 'total', value: add(ref('f32', 'total'), peek('sums', part)) },
              ]),
              finished(ref('f32', 'total')),
            ],
          },
        ]
      : [
          define('element', add(mul(group, u32(lanes)), id('local', 0))),
          {
            s: 'if',
            cond: inside,
            body: [
              ...here,
              ...(summed > 1
                ? [...start(u32(0), u32(1)), finished(sum)]
                : [...rest(extents, kept), finished(one)]),
            ],
          },
        ],
  };
}

/** Places along axes that have one index. */
const rest = (extents: readonly number[], from: number): Stmt[] =>
  extents.slice(from).map((_, axis) => define(`at_${from + axis}`, u32(0)));

/** sum + the product of the operands at a point. */
function summedWith(operands: readonly StridedRef[], of: Space, sum: F32): F32 {
  const [last, ...others] = operands.map((operand) => load(...access(operand, of))).reverse();
  if (!last) return sum;
  const before = others.reduce<F32 | null>((all, factor) => (all ? mul(factor, all) : factor), null);
  return before ? fma(before, last, sum) : add(sum, last);
}

interface Space {
  readonly extents: readonly U32[];
  readonly at: (axis: number) => U32;
}

/** An element of an array, by its own axes. */
function access({ buffer, offset, strides }: StridedRef, { extents, at }: Space): [View, readonly U32[]] {
  const own = extents.flatMap((_, axis) => (strides[axis] === 0 ? [] : [axis]));
  const view = {
    buffer,
    offset: u32(offset),
    extents: own.map((axis) => extents[axis]!),
    strides: own.map((axis) => u32(strides[axis]!)),
  };
  return [view, own.map(at)];
}

/** Defines the places along some axes from the number of a point among theirs, the last of which varies fastest. */
function places(extents: readonly number[], from: number, to: number, point: U32): Stmt[] {
  const stmts: Stmt[] = [];
  let below = 1;
  for (let axis = to - 1; axis >= from; axis--) {
    stmts.unshift(define(`at_${axis}`, mod(div(point, u32(below)), u32(extents[axis]!))));
    below *= extents[axis]!;
  }
  return stmts;
}
