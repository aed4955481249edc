import { fail } from '../../../ir/diagnostics.js';
import { bare } from '../../../ir/keys.js';
import { planTooLarge } from '../../codes/kernels.js';
import { gridOf } from '../../kernel/gen/kernels.js';
import type {
  BufferPlan,
  Extent,
  Finish,
  KernelPlan,
  Launch,
  Product,
  RegionPlan,
} from '../../kernel/model/types.js';
import { ROW_TABLE } from '../../kernel/plan/buffers.js';
import { buffersOf } from '../../kernel/plan/launches.js';
import { siText } from '../../kernel/plan/unit-text.js';
import { type BoundKernel, SharedKernels } from './kernels.js';

/** Place of a tensor in a buffer: rows x cols from element `offset` on, `rowStride` elements from row to row. */
export interface TensorPlace {
  readonly buffer: string;
  readonly offset: number;
  readonly rows: number;
  readonly cols: number;
  readonly rowStride: number;
  /** the buffer holds it transposed: `cols` rows of `rows` elements */
  readonly transposed?: true;
}

/** Workgroups along one axis: a fixed number, or one for every `per` tokens. */
export type GridExtent = number | { readonly per: number };

/** The grid of a launch for any number of tokens. */
export function gridFor(launch: Launch, tokens: number): readonly GridExtent[] {
  const grid = gridOf(launch, { M: tokens });
  const { work, schedule } = launch;
  if (work.kind === 'reduce' || work.kind === 'einsum') return grid;
  if (work.kind === 'row-down' || work.kind === 'row-up') return [grid[0], { per: 1 }, 1];
  const along = (extent: Extent, tile: number, count: number): GridExtent =>
    typeof extent === 'string' ? { per: tile } : count;
  return [
    work.kind === 'product' && work.chain ? grid[0] : along(work.cols, schedule.BN, grid[0]),
    along(work.rows, schedule.BM, grid[1]),
    grid[2],
  ];
}

/** All launches of a plan, in the order in which a step runs them. */
export const launchesOf = ({ prologue, regions, epilogue, merging }: KernelPlan): readonly Launch[] => [
  ...prologue,
  ...regions.flatMap(({ forward, backward }) => [...forward, ...backward]),
  ...epilogue,
  ...(merging ? [...merging.merge, ...merging.unmerge, ...merging.forward.flat()] : []),
];

/**
 * The kernels of a plan by the names of their launches; calls of the vendor's library have none. `aligned`: see
 * PLACED. Throws LOTR6008 where their indices would not reach all elements.
 */
export function kernelsOf(plan: KernelPlan, aligned: number): ReadonlyMap<string, BoundKernel> {
  refuseBeyondIndices(plan);
  const shared = new SharedKernels(aligned);
  return new Map(
    launchesOf(plan).flatMap((launch) =>
      launch.family === 'blas' ? [] : [[launch.name, shared.of(launch)]],
    ),
  );
}

/** Kernels count elements in 32 bits. */
function refuseBeyondIndices({ buffers, tokens }: KernelPlan): void {
  for (const { name, shape } of buffers) {
    const elements = shape.reduce<number>(
      (size, extent) => size * (typeof extent === 'number' ? extent : tokens),
      1,
    );
    if (elements >= 2 ** 32) {
      const why = `${name} has ${siText(elements, '')} elements, and kernels count to 4294967295`;
      fail(planTooLarge({ why, hint: 'choose fewer --tokens or --adapters' }));
    }
  }
}

/**
 * Places of all tensors that fill buffers of one life, by tensor. With several adapters in a batch a buffer of factors
 * has a part for each, all alike: these are the places in the first.
 */
export function placesOf(
  buffers: readonly BufferPlan[],
  life: 'weight' | 'step',
  adapters = 1,
): Record<string, readonly TensorPlace[]> {
  const places = bare<TensorPlace[]>();
  for (const { name, shape, blocks = [] } of life === 'weight' ? buffers : []) {
    const rowStride = Number(shape[1]);
    for (const block of blocks) {
      if (!('tensor' in block)) continue;
      const { tensor, row, col, transposed } = block;
      const [rows, cols] = transposed ? [block.cols, block.rows] : [block.rows, block.cols];
      const place = { buffer: name, offset: row * rowStride + col, rows, cols, rowStride };
      places[tensor] ??= [];
      places[tensor].push(transposed ? { ...place, transposed: true } : place);
    }
  }
  for (const { name, shape, from, sideBySide, own, life: lives } of buffers) {
    if (lives !== life || !from) continue;
    const parts = life === 'step' ? adapters : 1;
    const [rows, cols] =
      shape.length === 1 ? [1, Number(shape[0])] : [Number(shape[0]) / parts, Number(shape[1])];
    const [height, width] = sideBySide ? [rows, cols / from.length] : [rows / from.length, cols];
    for (const [index, tensor] of from.entries()) {
      const offset = sideBySide ? index * width : index * height * width;
      places[tensor] ??= [];
      const [ownRows, ownCols] = own ?? [height, width];
      places[tensor].push({ buffer: name, offset, rows: ownRows, cols: ownCols, rowStride: cols });
    }
  }
  return places;
}

/** The buffers that tensors of bytes fill, by tensor: packed weights and zero points. */
export const packedTensors = (buffers: readonly BufferPlan[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    buffers.flatMap(({ name, dtype, from = [] }) =>
      dtype === 'u8' ? from.map((tensor) => [tensor, name] as const) : [],
    ),
  );

/** A factor of adapters that rows have, in the part of a buffer that an adapter has: see OfRows. */
export interface RowFactor {
  readonly tensor: string;
  readonly buffer: string;
  /** number of the group whose ranks it has */
  readonly group: number;
  /** lines before its first, which are those of the `nth` tensor of a part, and numbers of a line */
  readonly nth: number;
  readonly line: number;
  readonly length: number | null;
  readonly turned: boolean;
}

/** The factors of adapters that rows have, in the order of their buffers. */
export const rowFactorsOf = ({ buffers }: KernelPlan): readonly RowFactor[] =>
  buffers.flatMap(({ name, shape, ofRows }) => {
    if (!ofRows) return [];
    const { tensors, ...rest } = ofRows;
    return tensors.map((tensor, nth) => ({ tensor, buffer: name, nth, line: Number(shape[1]), ...rest }));
  });

/** Blocks along the second and third axis of a grid. */
const MOST_BLOCKS = 65535;

/** Rows that the second axis of every grid reaches. */
export const rowsReached = (grids: readonly (readonly GridExtent[])[]): number =>
  MOST_BLOCKS *
  Math.min(...grids.flat().flatMap((extent) => (typeof extent === 'number' ? [] : [extent.per])));

/**
 * Number of rows in a block, all of one adapter: a multiple of every tile, since a workgroup must not have rows of two
 * adapters.
 */
export function rowBlockOf(plan: KernelPlan): number {
  const heights = launchesOf(plan).flatMap((launch) =>
    buffersOf(launch).includes(ROW_TABLE) ? [launch.schedule.BM] : [],
  );
  return heights.reduce((all, height) => (all * height) / common(all, height), 1);
}

/** Greatest common divisor. */
const common = (a: number, b: number): number => (b === 0 ? a : common(b, a % b));

/** Whether a launch writes a product, in one launch or as the one that finishes it. */
const isProduct = (work: Launch['work']): work is Product | Finish =>
  work.kind === 'product' || work.kind === 'finish';

/** What the backward pass of a region reads of its forward pass, besides x. */
export function keptOf({ forward, backward }: RegionPlan): string | null {
  const read = new Set(backward.flatMap(buffersOf));
  const [kept, more] = [...new Set(forward.flatMap(buffersOf))].filter(
    (name) => /^P_/.test(name) && read.has(name),
  );
  if (more !== undefined) throw new Error(`a region keeps ${kept} and ${more}`);
  return kept ?? null;
}

/** A region as the module has it: its buffers and the names of its launches. */
export function regionRow(region: RegionPlan, plan: KernelPlan) {
  const names = (launches: readonly Launch[]) => launches.map(({ name }) => name);
  const writes = (launches: readonly Launch[], buffer: RegExp): readonly Launch[] =>
    launches.filter(({ work }) => isProduct(work) && buffer.test(work.out.buffer));
  const outs = (launches: readonly Launch[]) => [
    ...new Set(launches.flatMap(({ work }) => (isProduct(work) ? [work.out.buffer] : []))),
  ];
  const y = outs(writes(region.forward, /^yb?_/));
  // every form begins with a product of x
  const begin = region.forward[0]!.work;
  const x =
    begin.kind === 'product'
      ? begin.segments[0]!.a.matrix.buffer
      : begin.kind === 'row-down'
        ? begin.x.buffer
        : '';
  const toDx = writes(region.backward, /^dx_/);
  const known = new Set(plan.buffers.map(({ name }) => name));
  const [first] = toDx;
  return {
    label: region.region.label,
    layers: region.region.layers.map(({ id }) => id),
    x,
    y,
    forward: names(region.forward),
    ...(plan.merging ? { merged: names(plan.merging.forward[plan.regions.indexOf(region)]!) } : {}),
    ...(plan.purpose === 'train'
      ? {
          dy: y.map((name) => `d${name}`).filter((name) => known.has(name)),
          dx: outs(toDx)[0] ?? null,
          addsToDx: first !== undefined && isProduct(first.work) && first.work.epilogue.accumulate,
          backward: names(region.backward),
        }
      : {}),
  };
}
