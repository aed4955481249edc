import { fail } from '../../../ir/diagnostics.js';
import { noRowsOnDevice } from '../../codes/kernels.js';
import type { Extent, KernelPlan, Launch, Product, TileSchedule } from '../../kernel/model/types.js';
import { lengthOf, productWork } from '../../kernel/plan/cost.js';
import { allInVectors, packedAtOnce, tilesInVectors, VECTOR } from '../../kernel/plan/vectors.js';
import { MOST_PARTS, ProductCuts } from '../shared/cuts.js';
import { withLaunches } from '../shared/lower.js';
import { adaptersBeyondBindings } from './bindings.js';
import { WeightSlices } from './slices.js';

/**
 * The plan as it is emitted: weights that a device does not bind at once are read in slices, and products of few rows whose results are
 * too few workgroups for a device are cut into parts (partsOf). `halfSums`: products of float16 over tokens are added up in float16 within a
 * tile. Throws LOTR6140 for adapters of rows that a device does not bind at once, LOTR6141 for a device on which their kernels are wrong.
 */
export function loweredWgsl(
  plan: KernelPlan,
  { halfSums = false }: { readonly halfSums?: boolean } = {},
): KernelPlan {
  if (plan.mostRank !== undefined && !plan.device.features.includes('rows'))
    fail(noRowsOnDevice({ device: plan.device.name }));
  for (const problem of adaptersBeyondBindings(plan)) fail(problem);
  const [slices, cuts] = [new WeightSlices(plan), new ProductCuts(plan, partsOf)];
  const lowered = withLaunches(plan, (launch) =>
    slices
      .of(launch)
      .flatMap((part) => cuts.of(part))
      .map((part) => (halfSums ? inHalves(part) : part)),
  );
  return { ...lowered, buffers: [...plan.buffers, ...slices.buffers(), ...cuts.buffers()] };
}

/** The launch, in float16 within a tile where it multiplies tiles of float16. Sums over tokens, which are gradients, stay as they are. */
function inHalves(launch: Launch): Launch {
  const { work, schedule, family } = launch;
  const fits =
    work.kind === 'product' &&
    (family === 'gemm' || family === 'skinny') &&
    (schedule.matrix !== undefined || tilesInVectors(schedule)) &&
    !schedule.gemv &&
    allInVectors(work) &&
    work.segments.every(({ a, b }) => a.matrix.dtype === 'f16' && b.matrix.dtype === 'f16');
  return fits ? { ...launch, schedule: { ...schedule, halfSums: true } } : launch;
}

/**
 * Parts of a product of few rows that give every unit of a device a workgroup; 1 where there are workgroups enough, or where the launch
 * that adds the parts takes longer than they save. What a workgroup reads comes at the rate of one unit.
 */
function partsOf(
  work: Product,
  { BM, BN, BK, gemv }: TileSchedule,
  { device, tokens, adapters, mostRank }: KernelPlan,
): number {
  const { multiprocessors: units, bytesPerSecond, launchSeconds } = device;
  const sorted = adapters > 1 && mostRank === undefined;
  if (!gemv || !units || sorted || work.parts > 1 || typeof work.cols !== 'number') return 1;
  const n = (extent: Extent) => lengthOf(extent, { M: tokens });
  const rows = n(work.rows);
  const groups = Math.ceil(rows / BM) * Math.ceil(work.cols / BN);
  // what all invocations of a workgroup take of the inner dimension at once
  const steps = work.segments.map(({ b, inner }) => {
    const each = b.matrix.packed ? packedAtOnce(b.matrix.packed) : VECTOR;
    return Math.ceil(n(inner) / ((BK / VECTOR) * each));
  });
  const parts = Math.min(Math.ceil(units / groups), Math.max(...steps), MOST_PARTS);
  if (parts < 2) return 1;
  const { bytes } = productWork(work, { BN }, { M: tokens });
  const seconds = (share: number) => (bytes * units) / (Math.min(share, units) * bytesPerSecond);
  const added = (8 * parts * rows * work.cols) / bytesPerSecond + launchSeconds;
  return seconds(groups * parts) + added < seconds(groups) ? parts : 1;
}
