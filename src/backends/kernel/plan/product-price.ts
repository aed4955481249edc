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
  type Work,
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

/** Of the bandwidth to memory, how many times its share a multiprocessor can have: about half of them saturate it. */
const SHARE = 2;

/** Threads that a multiprocessor holds at once with registers full of sums. */
const THREADS = 1024;

/** What `mma.sync` reaches of the rate of warpgroups: the nominal rate less 40 %, which profiles assume for tf32 too. */
const OF_WARPGROUPS = 0.74;

/** Numbers of the inner dimension after which warpgroups, and a library, may stop. */
const SHORT_STEP = 16;

/** Instructions of a lane for each number that is unpacked, with its part of all else that is done for a tile: whole numbers, and codes of a table. A test counts them. */
export const UNPACKING = { whole: 10, codes: 14 } as const;

/** Price of a product under the schedule of its kernel. Without a count of multiprocessors it is the least time. */
export function productPrice(work: Product, schedule: TileSchedule, on: PricedOn): Predicted {
  const counted = productWork(work, schedule, { M: on.tokens });
  const least = roofline(counted, arithmeticOf(work), on.device);
  const { multiprocessors: units } = on.device;
  if (!units) return least;
  return { ...least, seconds: Math.max(least.seconds, busiest(work, schedule, on, units, counted)) };
}

/**
 * Price of a product by a vendor's library: the best of the tiles that the device has for such lengths, at the rate of the library, and without
 * a pause but for the last results; or, where there are few, of their parts, which a second launch adds.
 */
export function libraryPrice(work: Product, on: PricedOn): Predicted {
  const device = asLibrarySees(on.device);
  const n = (extent: Extent) => lengthOf(extent, { M: on.tokens });
  const [rows, cols] = [n(work.rows), n(work.cols)];
  const inner = work.segments.reduce((sum, one) => sum + n(one.inner), 0);
  const type = arithmeticOf(work);
  const least = roofline(productWork(work, LIBRARY, { M: on.tokens }), type, device);
  const { multiprocessors: units, launchSeconds, bytesPerSecond } = device;
  if (!units) return least;
  const dtype = work.rounding ? 'tf32' : type;
  const times = device.tiles.flatMap(({ family, schedule, bucket, ...row }) => {
    if (family !== 'gemm' || row.dtype !== dtype || onRequest(schedule)) return [];
    if (!inBucket(bucket, { rows, cols, inner })) return [];
    const { BM, BN } = schedule;
    const [down, across] = [Math.ceil(rows / BM), Math.ceil(cols / BN)];
    const most = Math.max(1, Math.floor(units / (down * across)));
    return [...new Set([1, most])].map((parts) => {
      const blocks = blocksOfBusiest(down, across * parts, false, units);
      const multiply = (blocks * 2 * BM * BN * (inner / parts) * units) / rateOf(type, device);
      const leave = (resultBytes(work, schedule, on) * units) / bytesPerSecond;
      const brought = (least.bytes * blocks * units) / (down * across * parts * SHARE * bytesPerSecond);
      const adding = parts > 1 ? launchSeconds + (8 * parts * rows * cols) / bytesPerSecond : 0;
      return Math.max(least.seconds, launchSeconds + Math.max(multiply + leave, brought)) + adding;
    });
  });
  return times.length === 0 ? least : { ...least, seconds: Math.min(...times) };
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
 * and multiplies them, and of the pauses between tiles of results; or until memory has brought it all that.
 */
function busiest(work: Product, schedule: TileSchedule, on: PricedOn, units: number, counted: Work): number {
  const { device, tokens } = on;
  const { launchSeconds, bytesPerSecond } = device;
  const n = (extent: Extent) => lengthOf(extent, { M: tokens });
  const { BM, BN, BK, TN, stages, subgroups, gemv } = schedule;
  const [down, across] = [Math.ceil(n(work.rows) / BM), work.chain ? 1 : Math.ceil(n(work.cols) / BN)];
  const blocks = blocksOfBusiest(down, across * work.parts, schedule.pairs === true, units);
  const grouped = ofWarpgroups(schedule);
  const whole = grouped ? SHORT_STEP : BK;
  const inner = work.segments.reduce((sum, one) => sum + Math.ceil(n(one.inner) / whole) * whole, 0);
  // lanes of a subgroup take some columns of a tile after another
  const width = subgroups ? TN : BN;
  const steps = ((inner / BK / work.parts) * BN) / width;

  // what is widened or chained besides the products
  const products = work.segments.reduce(
    (sum, one) => sum + 2 * n(work.rows) * n(work.cols) * n(one.inner),
    0,
  );
  const more = (counted.flops - products) / (down * across * work.parts * steps);
  const busy = busySeconds(work, { ...schedule, BN: width }, on, units, steps, more);
  const beside = Math.min(blocks, roomFor(work, schedule, device));
  // without a ring a block loads, and then multiplies, but where nothing makes its threads wait for each other
  const ring = stages > 1 ? LOAD / (stages - 1) : LOAD + busy;
  const load = subgroups || gemv ? LOAD / UNROLLED : ring;
  const step = Math.max(busy, load / beside);

  // A block that is alone fills its ring, and is rid of its results, while nothing multiplies. One of warpgroups loads what its next tile
  // needs meanwhile; results that the copy engine takes only have to pass to shared memory. The last ones always leave.
  const bytes = resultBytes(work, schedule, on);
  const leave = (bytes * units) / bytesPerSecond;
  const alone = beside === 1;
  const fills = alone && !grouped ? (blocks - 1) * LOAD : 0;
  const sends = grouped && sendsResults(work);
  const pauses = sends ? (blocks * bytes) / FROM_CACHE : (blocks - 1) * leave;
  const multiplying = blocks * steps * step + fills + (alone ? pauses : 0) + leave;

  const own = (counted.bytes * blocks) / (down * across * work.parts);
  return launchSeconds + Math.max(multiplying, (own * units) / (SHARE * bytesPerSecond));
}

/** Bytes of the results of a tile. */
function resultBytes(
  { rows, cols, out }: Product,
  { BM, BN }: Pick<TileSchedule, 'BM' | 'BN'>,
  { tokens }: PricedOn,
): number {
  const n = (extent: Extent) => lengthOf(extent, { M: tokens });
  return Math.min(BM, n(rows)) * Math.min(BN, n(cols)) * ELEMENT_BYTES[out.dtype];
}

/** Seconds in which a multiprocessor takes a tile of both operands from the cache and multiplies it: one of the `steps` of a block, in which it has `more` FLOP to do. */
function busySeconds(
  work: Product,
  schedule: TileSchedule,
  { device, tokens }: PricedOn,
  units: number,
  steps: number,
  more: number,
): number {
  const n = (extent: Extent) => lengthOf(extent, { M: tokens });
  const { BM, BN, BK, warps } = schedule;
  const { segments, parts } = work;
  const multiply = ((2 * BM * BN * BK + more) * units) / rateUnder(work, schedule, device);
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
