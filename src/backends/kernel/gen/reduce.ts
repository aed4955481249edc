import {
  add,
  and,
  comment,
  define,
  id,
  type Kernel,
  loop,
  lt,
  mul,
  ref,
  type Stmt,
  sub,
  type U32,
  u32,
  type View,
} from '../ir/kir.js';
import type { Launch, ReduceJob } from '../model/types.js';
import { VECTOR } from '../plan/vectors.js';
import { ELEMENT, FOUR, type Lanes } from './lanes.js';
import { Parameters } from './parameters.js';

/**
 * Adds the parts of sums in the order of their numbers, so that the result does not depend on timing. Each job has its
 * own workgroups, BM elements each; an invocation adds one element, or four neighbours where all sums are whole vectors.
 */
export function reduceKernel(launch: Launch): Kernel {
  const { work, schedule } = launch;
  if (work.kind !== 'reduce') throw new Error(`${launch.name} is not a reduction`);
  const wide = schedule.vec === VECTOR && work.jobs.every(isWhole);
  const params = new Parameters(wide ? 'vectors' : 'elements');
  const body: Stmt[] = [];
  let first = 0;
  for (const [index, job] of work.jobs.entries()) {
    const groups = Math.ceil(job.elements / schedule.BM);
    const place = [params, job, index, first, groups, schedule.BM] as const;
    body.push(...(wide ? jobBody(...place, FOUR) : jobBody(...place, ELEMENT)));
    first += groups;
  }
  return {
    name: launch.name,
    about: [`${launch.does}.`, `${work.jobs.length} sums, ${schedule.BM} elements per workgroup.`],
    workgroup: [schedule.BM / (wide ? VECTOR : 1), 1, 1],
    ...params.list(),
    arrays: [],
    body,
  };
}

const isWhole = ({ elements, partials, out }: ReduceJob): boolean =>
  [elements, partials.offset, out.offset].every((length) => length % VECTOR === 0);

/** Workgroups that the jobs of a reduction need, `width` elements each. */
export const reduceGroups = (jobs: readonly ReduceJob[], width: number): number =>
  jobs.reduce((sum, { elements }) => sum + Math.ceil(elements / width), 0);

function jobBody<T extends 'f32' | 'f32x4'>(
  params: Parameters,
  job: ReduceJob,
  index: number,
  first: number,
  groups: number,
  width: number,
  lanes: Lanes<T>,
): Stmt[] {
  const { partials, parts, elements, out, accumulate } = job;
  params.reads(partials.buffer, partials.dtype);
  if (accumulate) params.reads(out.buffer, out.dtype);
  params.writes(out.buffer, out.dtype);
  const group = id('group', 0);
  const ends = lt(group, u32(first + groups));
  const flat = (buffer: string, offset: number, extents: readonly U32[], strides: readonly U32[]): View => ({
    buffer,
    offset: u32(offset),
    extents,
    strides,
  });
  const from = flat(partials.buffer, partials.offset, [u32(parts), u32(elements)], [u32(elements), u32(1)]);
  const to = flat(out.buffer, out.offset, [u32(elements)], [u32(1)]);
  // a factor of four that is seen says that a vector begins there
  const at = mul(ref('u32', `element_${index}`), u32(lanes.count));
  const sum = ref(lanes.type, `sum_${index}`);
  return [
    comment(`${out.buffer} ${accumulate ? '+=' : '='} the ${parts} parts`),
    {
      s: 'if',
      cond: first > 0 ? and(lt(u32(first - 1), group), ends) : ends,
      body: [
        define(
          `element_${index}`,
          add(mul(sub(group, u32(first)), u32(width / lanes.count)), id('local', 0)),
        ),
        {
          s: 'if',
          cond: lt(at, u32(elements)),
          body: [
            {
              s: 'var',
              name: `sum_${index}`,
              init: accumulate ? lanes.load(to, [at]) : lanes.zero,
            },
            loop(`part_${index}`, u32(0), u32(parts), u32(1), (part) => [
              { s: 'assign', name: `sum_${index}`, value: add(sum, lanes.load(from, [part, at])) },
            ]),
            lanes.store(to, [at], sum),
          ],
        },
      ],
    },
  ];
}
