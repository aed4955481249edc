import { fail } from '../../../ir/diagnostics.js';
import { noRowsOnDevice } from '../../codes/kernels.js';
import type { Extent, KernelPlan, Launch, Product, TileSchedule } from '../../kernel/model/types.js';
import { lengthOf } from '../../kernel/plan/cost.js';
import { allInVectors, packedAtOnce, tilesInVectors, VECTOR } from '../../kernel/plan/vectors.js';
import { MOST_PARTS, ProductCuts } from '../shared/cuts.js';
import { type LaunchLowering, loweredBy, type Planned } from '../shared/lower.js';
import { adaptersBeyondBindings } from './bindings.js';
import { WeightSlices } from './slices.js';

/** What kernels for WebGPU depend on besides the plan. `halfSums`: products of float16 over tokens are added up in float16 within a tile. */
interface WgslOptions {
  readonly halfSums?: boolean;
}

/**
 * The plan as it is emitted: see wgslLowering. Throws LOTR6140 for adapters of rows that a device does not bind at once, LOTR6141 for a
 * device on which their kernels are wrong.
 */
export function loweredWgsl(plan: KernelPlan, options: WgslOptions = {}): KernelPlan {
  if (plan.mostRank !== undefined && !plan.device.features.includes('rows'))
    fail(noRowsOnDevice({ device: plan.device.name }));
  for (const problem of adaptersBeyondBindings(plan)) fail(problem);
  return loweredBy(wgslLowering(plan, options), plan);
}

/**
 * How launches are emitted: weights that a device does not bind at once are read in slices, and products of few rows whose results are
 * too few workgroups for a device are cut into parts (mostParts).
 */
export function wgslLowering(planned: Planned, { halfSums = false }: WgslOptions = {}): LaunchLowering {
  const slices = new WeightSlices(planned);
  const cuts = new ProductCuts(planned, (work, schedule) => mostParts(work, schedule, planned));
  return {
    of: (launch) =>
      slices
        .of(launch)
        .flatMap((part) => cuts.of(part))
        .map((part) => (halfSums ? inHalves(part) : part)),
    buffers: () => [...slices.buffers(), ...cuts.buffers()],
  };
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

/** Parts of a product of few rows that give every unit of a device a workgroup; 1 where there are workgroups enough. */
function mostParts(
  work: Product,
  { BM, BN, BK, gemv }: TileSchedule,
  { device, tokens, adapters, mostRank }: Planned,
): number {
  const { multiprocessors: units } = device;
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
  return Math.min(Math.ceil(units / groups), Math.max(...steps), MOST_PARTS);
}
