import type { DeviceProfile, Launch, Predicted, RowDown, RowUp, TileSchedule } from '../model/types.js';
import { einsumWork, finishWork, lengthOf, reduceWork, roofline, rowWork, type Work } from './cost.js';
import { LOAD, libraryPrice, type PricedOn, productPrice, UNROLLED } from './product-price.js';

/** Threads that a multiprocessor holds at once. */
const THREADS = 2048;

/** Part of its time that another form has to save: closer than this, predictions do not tell forms apart. */
const CLEARLY = 0.1;

/** A launch whose time is not predicted yet, or no longer: its schedule is another. */
export type Unpriced = Omit<Launch, 'predicted'>;

/** A launch with its predicted time, under the schedule that it has. */
export const priced = (launch: Unpriced, on: PricedOn): Launch => ({
  ...launch,
  predicted: priceOf(launch, on),
});

/** Sum of the predicted times of launches that run one after another. */
export function total(launches: readonly Launch[]): Predicted {
  return launches.reduce(
    (sum, { predicted }) => ({
      flops: sum.flops + predicted.flops,
      bytes: sum.bytes + predicted.bytes,
      seconds: sum.seconds + predicted.seconds,
    }),
    { flops: 0, bytes: 0, seconds: 0 },
  );
}

/** Whether one way to run something is predicted to be clearly faster than another. */
export const clearlyFaster = (one: Pick<Predicted, 'seconds'>, than: Pick<Predicted, 'seconds'>): boolean =>
  one.seconds < (1 - CLEARLY) * than.seconds;

/** The first of two ways to run the same, unless the other one is predicted to be clearly faster. */
export const unlessSlower = (first: readonly Launch[], other: readonly Launch[]): readonly Launch[] =>
  clearlyFaster(total(other), total(first)) ? other : first;

/**
 * Work and time of a launch: what a launch costs, and the slower of memory, which brings every operand once, and the multiprocessor that
 * has the most to do. Where two kernels are emitted, it is that of warpgroups on a device that has them.
 */
export function priceOf({ work, family, schedule, warpgroups }: Unpriced, on: PricedOn): Predicted {
  const { device, tokens } = on;
  const bound = { M: tokens };
  const { BM, BN, BK } = schedule;
  switch (work.kind) {
    case 'product':
      if (family === 'blas') return libraryPrice(work, on);
      return productPrice(work, (device.features.includes('wgmma') && warpgroups) || schedule, on);
    case 'reduce': {
      const elements = work.jobs.reduce((sum, job) => sum + job.elements, 0);
      return lanesPrice(
        reduceWork(work),
        { groups: Math.ceil(elements / BM), threads: BM, loads: 1 },
        device,
      );
    }
    case 'finish': {
      const groups = Math.ceil(lengthOf(work.rows, bound) / BM) * Math.ceil(work.cols / BN);
      return lanesPrice(finishWork(work, bound), { groups, threads: BM * BN, loads: 1 }, device);
    }
    case 'einsum': {
      const product = (of: readonly number[]) => of.reduce((all, extent) => all * extent, 1);
      const results = product(work.extents.slice(0, work.kept));
      // a workgroup for a result, or an invocation
      const spread = BM === 1 ? BK : 1;
      const loads = Math.ceil(product(work.extents.slice(work.kept)) / (spread * UNROLLED));
      const lanes = { groups: Math.ceil(results / BM), threads: Math.max(spread, BM), loads };
      return lanesPrice(einsumWork(work), lanes, device);
    }
    default: {
      const { groups, ...lanes } = rowLanes(work, schedule);
      const all = { groups: lengthOf(work.rows, bound) * groups, ...lanes };
      return lanesPrice(rowWork(work, bound), all, device);
    }
  }
}

/** Threads that share nothing: workgroups, the threads of each, and loads that a thread makes one after another. */
interface Lanes {
  readonly groups: number;
  readonly threads: number;
  readonly loads: number;
}

/** The lanes of one row. */
function rowLanes(work: RowDown | RowUp, { BN, BK }: TileSchedule): Lanes {
  const { together } = work;
  const { most } = work.of;
  if (work.kind === 'row-down') {
    const groups = work.downs * Math.ceil(most / BN);
    return { groups, threads: BK / together, loads: Math.ceil(work.inner / BK) };
  }
  const groups = work.layers * Math.ceil(work.cols / BN);
  const loads = Math.ceil(most / UNROLLED) * (work.core ? 2 : 1);
  return { groups, threads: BN / together, loads };
}

/** Price of lanes. The cost of a launch has the first load in it. */
function lanesPrice(work: Work, { groups, threads, loads }: Lanes, device: DeviceProfile): Predicted {
  const least = roofline(work, 'f32', device);
  const { multiprocessors: units, launchSeconds } = device;
  if (!units) return least;
  const waves = Math.ceil(groups / (units * Math.max(1, Math.floor(THREADS / threads))));
  const waiting = launchSeconds + (waves * loads - 1) * LOAD;
  return { ...least, seconds: Math.max(least.seconds, waiting) };
}
