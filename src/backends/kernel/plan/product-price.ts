import { blocksAtOnce, blocksOfBusiest } from '../device/blocks.js';
import type { DeviceProfile, Extent, Predicted, Product, TileSchedule } from '../model/types.js';
import {
  arithmeticOf,
  asLibrarySees,
  ELEMENT_BYTES,
  lengthOf,
  productWork,
  rateOf,
  roofline,
} from './cost.js';
import { inBucket, invocations, LIBRARY, onRequest, workgroupBytes } from './schedule.js';
import { ofWarpgroups, sendsResults } from './warpgroup-schedule.js';

/** What launches are priced on. */
export interface PricedOn {
  readonly device: DeviceProfile;
  readonly tokens: number;
}

/** Seconds from a load of device memory to its number while memory is busy. Devices differ by less than a factor of two. */
export const LOAD = 0.8e-6;

/** Terms of a sum that a thread loads together: compilers unroll loops that no barrier is in. */
export const UNROLLED = 4;

/** Bytes per second that a multiprocessor takes from the cache that all share, and from its own memory: 64 in a cycle. */
const FROM_CACHE = 110e9;

/** Threads that a multiprocessor holds at once with registers full of sums. */
const THREADS = 1024;

/** What `mma.sync` reaches of the rate of warpgroups: the nominal rate less 40 %, which profiles assume for tf32 too. */
const OF_WARPGROUPS = 0.74;

/** Numbers of the inner dimension after which warpgroups, and a library, may stop. */
const SHORT_STEP = 16;

/** Instructions of a lane for each number that is unpacked, with its part of all else that is done for a tile: whole numbers, and codes of a table. A test counts them. */
export const UNPACKING = { whole: 10, codes: 14 } as const;

/** How the blocks of a kernel go on. */
interface Pace {
  /** FLOP per second of the device with what the kernel multiplies with */
  readonly rate: number;
  /** a block may stop in the middle of a tile of the inner dimension, and loads the next tiles before its results have left */
  readonly onward: boolean;
  /** how long results stop a block that is alone on its multiprocessor: not at all, until they are in shared memory, or until they have left */
  readonly results: 'free' | 'pass' | 'leave';
}

/** Price of a product under the schedule of its kernel. Without a count of multiprocessors it is the least time. */
export function productPrice(work: Product, schedule: TileSchedule, on: PricedOn): Predicted {
  const least = roofline(productWork(work, schedule, { M: on.tokens }), arithmeticOf(work), on.device);
  const onward = ofWarpgroups(schedule);
  const results = onward && sendsResults(work) ? 'pass' : 'leave';
  const pace = { rate: rateUnder(work, schedule, on.device), onward, results } as const;
  return { ...least, seconds: Math.max(least.seconds, busiest(work, schedule, on, pace)) };
}

/**
 * Price of a product by a vendor's library: the best of the tiles that the device has for such lengths, cut where they are few, at the rate of
 * the library, and without a pause between tiles.
 */
export function libraryPrice(work: Product, on: PricedOn): Predicted {
  const device = asLibrarySees(on.device);
  const n = (extent: Extent) => lengthOf(extent, { M: on.tokens });
  const [rows, cols] = [n(work.rows), n(work.cols)];
  const problem = { rows, cols, inner: work.segments.reduce((sum, one) => sum + n(one.inner), 0) };
  const type = arithmeticOf(work);
  const dtype = work.rounding ? 'tf32' : type;
  const least = roofline(productWork(work, LIBRARY, { M: on.tokens }), type, device);
  const times = device.tiles.flatMap(({ family, schedule, bucket, ...row }) => {
    if (family !== 'gemm' || row.dtype !== dtype || onRequest(schedule) || !inBucket(bucket, problem))
      return [];
    const blocks = Math.ceil(rows / schedule.BM) * Math.ceil(cols / schedule.BN);
    const parts = Math.max(1, Math.floor((device.multiprocessors ?? 1) / blocks));
    const pace = { rate: rateOf(type, device), onward: true, results: 'free' } as const;
    return [busiest({ ...work, parts }, schedule, { ...on, device }, pace)];
  });
  return { ...least, seconds: Math.max(least.seconds, times.length > 0 ? Math.min(...times) : 0) };
}

/** FLOP per second of what a schedule multiplies with: warpgroups, matrix units of a warp, or lanes. */
function rateUnder(work: Product, schedule: TileSchedule, device: DeviceProfile): number {
  const type = arithmeticOf(work);
  const { features } = device;
  if (schedule.warps === 0 && features.includes('mma')) return rateOf('f32', device);
  const narrow = type === 'f16' || type === 'bf16';
  const slower = narrow && features.includes('wgmma') && !ofWarpgroups(schedule) && schedule.warps > 0;
  return (slower ? OF_WARPGROUPS : 1) * rateOf(type, device);
}

/**
 * Seconds until the multiprocessor that has the most blocks of a product is through: of its steps, each of which brings a tile of both operands
 * and multiplies them, and of the pauses between tiles of results. 0 where multiprocessors are not counted.
 */
function busiest(work: Product, schedule: TileSchedule, on: PricedOn, pace: Pace): number {
  const { device, tokens } = on;
  const { multiprocessors: units, launchSeconds, bytesPerSecond } = device;
  if (!units) return 0;
  const n = (extent: Extent) => lengthOf(extent, { M: tokens });
  const { BM, BN, BK, TN, stages, subgroups, gemv } = schedule;
  const [rows, cols] = [n(work.rows), n(work.cols)];
  const [down, across] = [Math.ceil(rows / BM), work.chain ? 1 : Math.ceil(cols / BN)];
  const blocks = blocksOfBusiest(down, across * work.parts, schedule.pairs === true, units);
  const whole = pace.onward ? SHORT_STEP : BK;
  const inner = work.segments.reduce((sum, one) => sum + Math.ceil(n(one.inner) / whole) * whole, 0);
  // lanes of a subgroup take some columns of a tile after another
  const width = subgroups ? TN : BN;
  const steps = ((inner / BK / work.parts) * BN) / width;

  const busy = busySeconds(work, { ...schedule, BN: width }, on, steps, down * across, pace);
  const beside = Math.min(blocks, roomFor(work, schedule, device));
  // without a ring a block loads, and then multiplies, but where nothing makes its threads wait for each other
  const ring = stages > 1 ? LOAD / (stages - 1) : LOAD + busy;
  const load = subgroups || gemv ? LOAD / UNROLLED : ring;
  const step = Math.max(busy, load / beside);

  // a block that is alone fills its ring, and is rid of its results, while nothing multiplies; the last results always leave
  const bytes = Math.min(BM, rows) * Math.min(BN, cols) * ELEMENT_BYTES[work.out.dtype];
  const leave = (bytes * units) / bytesPerSecond;
  const alone = beside === 1;
  const fills = alone && !pace.onward ? (blocks - 1) * LOAD : 0;
  const pauses = { free: 0, pass: (blocks * bytes) / FROM_CACHE, leave: (blocks - 1) * leave }[pace.results];
  return launchSeconds + blocks * steps * step + fills + (alone ? pauses : 0) + leave;
}

/** Seconds in which a multiprocessor takes a tile of both operands from the cache and multiplies it: one of the `steps` of a block, which makes one of `tiles`. */
function busySeconds(
  work: Product,
  schedule: TileSchedule,
  { device, tokens }: PricedOn,
  steps: number,
  tiles: number,
  { rate }: Pace,
): number {
  const n = (extent: Extent) => lengthOf(extent, { M: tokens });
  const { BM, BN, BK, warps } = schedule;
  const units = device.multiprocessors!;
  const { segments, parts } = work;
  const products = segments.reduce((sum, one) => sum + 2 * n(work.rows) * n(work.cols) * n(one.inner), 0);
  // what is widened or chained
  const more = (productWork(work, schedule, { M: tokens }).flops - products) / (tiles * parts * steps);
  const multiply = ((2 * BM * BN * BK + more) * units) / rate;
  // for a column of the packed operands
  const instructions = segments.reduce((sum, { b, inner: length }) => {
    const { packed } = b.matrix;
    return sum + (packed ? UNPACKING[packed.table ? 'codes' : 'whole'] * n(length) : 0);
  }, 0);
  // a lane has an instruction where it could have a multiply-add, which is two operations
  const lanes = rateOf('f32', device) / 2 / units;
  const unpack = (instructions * BN) / (parts * steps) / lanes;
  const { dtype } = segments[0]!.a.matrix;
  const bring = ((BM + BN) * BK * ELEMENT_BYTES[dtype]) / FROM_CACHE;
  // matrix units multiply while lanes unpack
  return Math.max(warps > 0 ? Math.max(multiply, unpack) : multiply + unpack, bring);
}

/** Blocks that a multiprocessor has room for at once. A limit of WebGPU is for one workgroup, and says nothing about how many a core holds. */
function roomFor(work: Product, schedule: TileSchedule, device: DeviceProfile): number {
  const held = Math.floor(THREADS / invocations(schedule));
  const dtype = work.rounding ? 'tf32' : work.segments[0]!.a.matrix.dtype;
  const bytes = workgroupBytes(schedule, { family: 'gemm', dtype });
  return Math.max(1, device.api === 'webgpu' ? held : Math.min(held, blocksAtOnce(bytes, device)));
}
