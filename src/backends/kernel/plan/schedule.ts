import { fail } from '../../../ir/diagnostics.js';
import { noSchedule } from '../../codes/kernels.js';
import { blocksOfBusiest } from '../device/blocks.js';
import { matrixText, SUBGROUP, type SubgroupMatrix, withEitherSums } from '../device/subgroup-matrices.js';
import { UNIT, UNIT_INNER } from '../ir/units.js';
import { BOX } from '../ir/warpgroups.js';
import type {
  DeviceProfile,
  EinsumWork,
  Family,
  KernelDtype,
  Packed,
  ScheduleRow,
  TileSchedule,
} from '../model/types.js';
import { ELEMENT_BYTES } from './cost.js';
import { paddedElements, sumPitch } from './padded-tiles.js';
import { VECTOR, wordBytes } from './vectors.js';
import { ofWarpgroups, unpaired } from './warpgroup-schedule.js';

/** Lengths of a problem, by which a shape class is found. */
export interface Problem {
  readonly family: Family;
  /** type of the operands; tf32: of float32 that matrix units round */
  readonly dtype: KernelDtype | 'tf32';
  readonly rows: number;
  readonly cols: number;
  readonly inner: number;
  /** rank of a widened launch: it holds P and tiles of R and L' as well */
  readonly widen?: number;
  /** all matrices can be read and written in vectors */
  readonly vectors?: boolean;
  /** operands are packed: along which axis of the product their words lie, how each is, and the bytes of the tables that they are looked up in */
  readonly packed?: {
    readonly along: 'inner' | 'cols';
    readonly how: readonly Packed[];
    readonly tableBytes: number;
  };
}

export interface Picked {
  readonly schedule: TileSchedule;
  readonly source: ScheduleRow['source'];
  /** rows of the right shape class that the device cannot run, with the reason */
  readonly passedOver: readonly string[];
}

/** Schedule of a call to the vendor's library, which chooses its own tiles. */
export const LIBRARY: TileSchedule = {
  BM: 1,
  BN: 1,
  BK: 1,
  TM: 1,
  TN: 1,
  vec: 1,
  stages: 1,
  warps: 0,
  splitK: 1,
};

/** Invocations of a workgroup of an einsum: all devices have as many. */
const EINSUM_LANES = 64;

/**
 * The schedule of an einsum: an invocation for each result, or, where a result is a long sum over neighbours in memory, a
 * workgroup for each.
 */
export function einsumSchedule({ extents, kept, operands }: EinsumWork): TileSchedule {
  const summed = extents.slice(kept).reduce((all, extent) => all * extent, 1);
  const together = operands.some(({ strides }) => strides.at(-1) === 1);
  const spread = kept < extents.length && summed >= EINSUM_LANES && together;
  return { ...LIBRARY, BM: spread ? 1 : EINSUM_LANES, BK: spread ? EINSUM_LANES : 1 };
}

/** The longest step of a matrix unit along the inner dimension. */
const WHOLE_STEPS = Math.max(...Object.values(UNIT_INNER));

/**
 * The schedule for a problem on a device: tuned rows before heuristic ones, in table order within each; the first whose
 * shape class fits and that is legal. Kernels over subgroups read element by element: of heuristic rows, those are only for what
 * cannot be read in vectors. Throws LOTR6004 when none is left.
 */
export function pickSchedule(db: readonly ScheduleRow[], device: DeviceProfile, problem: Problem): Picked {
  if (problem.family === 'blas') return { schedule: LIBRARY, source: 'heuristic', passedOver: [] };
  const own = db.filter(
    (row) =>
      row.target === device.target &&
      row.dtype === problem.dtype &&
      row.family === problem.family &&
      inBucket(row.bucket, problem) &&
      !(row.source === 'heuristic' && row.schedule.subgroups && problem.vectors),
  );
  const passedOver: string[] = [];
  for (const source of ['tuned', 'heuristic'] as const) {
    const rows = own.filter((candidate) => candidate.source === source);
    for (const [at, { schedule: first }] of rows.entries()) {
      const reasons = illegal(first, device, problem);
      if (reasons.length > 0) {
        passedOver.push(`${scheduleText(first)}: ${reasons.join(', ')}`);
        continue;
      }
      const others = rows.slice(at + 1).map(({ schedule }) => schedule);
      const schedule =
        source === 'tuned'
          ? first
          : pairedWhereFree(inFewestWaves(first, others, device, problem), device, problem);
      return { schedule, source, passedOver };
    }
  }
  return fail(noSchedule({ device: device.name, target: device.target, ...problem, passedOver }));
}

/**
 * Of tiles for warpgroups, `first` and those of `others` that are legal, the one that a device is through with first. Its multiprocessors take one block each at a time, so
 * 192 blocks on 132 of them take as long as 264; smaller tiles waste less of the last wave and load more for each result.
 */
function inFewestWaves(
  first: TileSchedule,
  others: readonly TileSchedule[],
  device: DeviceProfile,
  problem: Problem,
): TileSchedule {
  const { multiprocessors } = device;
  const { rows, cols } = problem;
  if (!multiprocessors || !ofWarpgroups(first)) return first;
  const time = ({ BM, BN }: TileSchedule) => {
    const waves = blocksOfBusiest(Math.ceil(rows / BM), Math.ceil(cols / BN), false, multiprocessors);
    return waves * BM * BN * (1 + 64 / BN);
  };
  return others
    .filter((one) => ofWarpgroups(one) && illegal(one, device, problem).length === 0)
    .reduce((best, one) => (time(one) < time(best) ? one : best), first);
}

/** Whether plans take rows of a schedule on request only. */
export const onRequest = ({ subgroups, matrix }: TileSchedule): boolean =>
  subgroups === true || matrix !== undefined;

/**
 * A schedule in pairs where a device is through with it in as many waves as without. A pair loads the tiles that it shares from cache once:
 * of all that tiles of 128 x 256 load, a third less. What it costs are blocks whose tile lies beyond the matrix.
 */
function pairedWhereFree(schedule: TileSchedule, device: DeviceProfile, problem: Problem): TileSchedule {
  if (!schedule.pairs) return schedule;
  const { multiprocessors = 0 } = device;
  const [down, across] = [Math.ceil(problem.rows / schedule.BM), Math.ceil(problem.cols / schedule.BN)];
  const waves = (pairs: boolean) => blocksOfBusiest(down, across, pairs, multiprocessors);
  return down > 1 && waves(true) <= waves(false) ? schedule : unpaired(schedule);
}

/**
 * Shape classes: `any`, or conditions `rows<=64`, `cols<=16`, `inner<=256` that must all hold, separated by spaces.
 * Throws for anything else.
 */
export function inBucket(bucket: string, problem: Pick<Problem, 'rows' | 'cols' | 'inner'>): boolean {
  if (bucket === 'any') return true;
  return bucket.split(' ').every((condition) => {
    const match = /^(rows|cols|inner)<=(\d+)$/.exec(condition);
    if (!match) throw new Error(`"${bucket}" is not a shape class`);
    return problem[match[1] as 'rows' | 'cols' | 'inner'] <= Number(match[2]);
  });
}

/** Why a device cannot run a schedule; empty when it can. */
export function illegal(schedule: TileSchedule, device: DeviceProfile, problem: Problem): readonly string[] {
  const { BM, BN, TM, TN, vec, BK } = schedule;
  const reasons: string[] = [];
  if (schedule.subgroups) {
    if (!device.features.includes('subgroups')) reasons.push('the device has no subgroups');
    if (BM !== TM) reasons.push(`the invocations share all ${BM} rows, so TM is ${BM}`);
    if (BK % 32 !== 0) reasons.push(`${BK} invocations are not a multiple of a warp of 32`);
    if (schedule.warps > 0) reasons.push('matrix units do not sum over subgroups');
    if (problem.packed) reasons.push('packed weights are not spread over subgroups');
    if (!SPREAD.includes(problem.family))
      reasons.push(`sums of the family ${problem.family} are not spread over subgroups`);
  }
  if (schedule.gemv) reasons.push(...againstGemv(schedule, problem));
  if (schedule.matrix) reasons.push(...againstMatrices(schedule, device, problem));
  if (ringOfCores(schedule)) reasons.push(...againstRing(schedule));
  if (BM % TM !== 0 || BN % TN !== 0) reasons.push(`${BM} x ${BN} is not divided by ${TM} x ${TN}`);
  if (problem.family !== 'reducePartials' && (BK % vec !== 0 || BN % vec !== 0)) {
    reasons.push(`tiles are not divided by vectors of ${vec}`);
  }
  const words = schedule.gemv ? [] : (problem.packed?.how ?? []).map(({ bits }) => 32 / bits);
  const wordless = words.find((each) => (problem.packed!.along === 'inner' ? BK : BN) % each !== 0);
  if (wordless) reasons.push(`rows of its tiles have no whole words of ${wordless} packed numbers`);
  if (schedule.splitK > 1 && problem.family !== 'skinnyT') reasons.push('only sums over tokens are split');
  if (schedule.pairs) reasons.push(...againstPairs(schedule));
  if (ofWarpgroups(schedule) && !device.features.includes('wgmma')) reasons.push('warpgroups are for sm_90a');
  const threads = invocations(schedule);
  if (problem.family === 'reducePartials') {
    if (threads !== BM) reasons.push(`${threads} invocations for ${BM} sums: each has one`);
  } else {
    const { features, platform } = device;
    if (schedule.warps > 0 && !schedule.matrix) {
      if (!features.includes('mma')) reasons.push(`${platform} has no matrix units of a warp`);
      else if (TM % UNIT.rows !== 0 || TN % UNIT.cols !== 0 || BK % WHOLE_STEPS !== 0) {
        reasons.push(
          `warps compute multiples of ${UNIT.rows} x ${UNIT.cols}, ${WHOLE_STEPS} of the inner dimension at a time`,
        );
      }
    }
    const ofTwo = features.includes('staged') || schedule.matrix !== undefined;
    const longest = features.includes('cp.async') ? Infinity : ofTwo ? 2 : 1;
    if (schedule.stages > longest)
      reasons.push(
        `${platform} has no pipeline of copies${longest > 1 ? `: rings are of ${longest} tiles` : ''}`,
      );
  }
  if (threads > device.invocations) reasons.push(`${threads} invocations, ${device.invocations} allowed`);
  const bytes = workgroupBytes(schedule, problem);
  if (bytes > device.workgroupBytes) {
    reasons.push(`${bytes} bytes of workgroup memory, ${device.workgroupBytes} allowed`);
  }
  if (problem.widen !== undefined && BN < 8 * problem.widen) {
    reasons.push(`BN = ${BN} is below 8 r = ${8 * problem.widen}: P would be computed too often`);
  }
  return reasons;
}

/** Whether a schedule without matrix units has its tiles in a ring. */
export const ringOfCores = ({ warps, stages, subgroups, gemv }: TileSchedule): boolean =>
  warps === 0 && stages > 1 && !subgroups && !gemv;

/** Why threads without matrix units do not multiply tiles of a ring without conflicts of banks. */
function againstRing({ BN, BK, TN }: TileSchedule): string[] {
  return [
    ...(TN % VECTOR === 0 ? [] : [`a thread has its columns by fours, not ${TN}`]),
    ...((BN / TN) % 8 === 0 ? [] : [`${BN / TN} threads along the columns are not a multiple of 8`]),
    ...([8, 16, 32].includes(BK) ? [] : [`rows of ${BK} are not those of a ring: 8, 16 or 32`]),
  ];
}

/** Why the invocations of a workgroup do not lie along the columns and the inner dimension. */
function againstGemv(
  { BM, BN, BK, TM, TN, vec, warps, subgroups }: TileSchedule,
  problem: Problem,
): string[] {
  const deep = BK / VECTOR;
  return [
    ...(problem.vectors ? [] : ['lengths or places of its matrices are not multiples of 4']),
    ...(problem.packed?.along === 'cols' ? ['words of its packed weight lie along the columns'] : []),
    ...(BM === TM && TN === VECTOR && vec === VECTOR
      ? []
      : [`invocations make ${BM} x 4 results, in vectors of 4`]),
    ...(Number.isInteger(Math.log2(deep)) && BN % VECTOR === 0 && BM <= deep
      ? []
      : [`${BK} / 4 invocations along the inner dimension are not a power of two from ${BM} on`]),
    ...(warps === 0 && !subgroups ? [] : ['it uses neither matrix units nor subgroups']),
    ...(SPREAD.includes(problem.family) ? [] : [`there are no such kernels of the family ${problem.family}`]),
  ];
}

/** Rows of sums that the subgroups of a workgroup store at once: all where they are float16, else one row of matrices each. */
export const matrixRows = (
  { BM, TM }: Pick<TileSchedule, 'BM' | 'TM'>,
  { result, rows }: SubgroupMatrix,
): number => (result === 'f16' ? BM : (BM / TM) * rows);

/** Why subgroups do not multiply matrices. */
function againstMatrices(schedule: TileSchedule, { features }: DeviceProfile, problem: Problem): string[] {
  const { BM, BN, BK, TM, TN, warps, stages, matrix } = schedule;
  const both = withEitherSums(matrix!);
  const { type, rows, cols, inner } = both[0]!;
  const threads = warps * SUBGROUP;
  const sweep = (threads * VECTOR) / BN;
  // rows of sums that invocations take together are of one subgroup
  const together = both.every(
    (one) => ((matrixRows(schedule, one) * TM) / BM) % sweep === 0 && BM % sweep === 0,
  );
  return [
    ...(both.some((one) => features.includes(matrixText(one)))
      ? []
      : [`the device has no subgroup matrices ${matrix}`]),
    ...(problem.dtype === type ? [] : [`${matrix} multiplies no ${problem.dtype}`]),
    ...(problem.family === 'gemm' ? [] : [`there are no such kernels of the family ${problem.family}`]),
    ...(problem.vectors ? [] : ['lengths or places of its matrices are not multiples of 4']),
    ...(problem.packed ? ['subgroups multiply no packed weights'] : []),
    ...(TM % rows === 0 && TN % cols === 0 && BK % inner === 0
      ? []
      : [`subgroups compute multiples of ${rows} x ${cols}, ${inner} of the inner dimension at a time`]),
    ...((BM / TM) * (BN / TN) === warps ? [] : [`${BM} x ${BN} results are not those of ${warps} subgroups`]),
    ...(Number.isInteger(sweep) && together
      ? []
      : [`${threads} invocations do not take whole rows of ${BN} sums`]),
    ...(stages === 2 ? [] : ['the ring is of two tiles']),
  ];
}

/** Why blocks do not run in pairs. */
const againstPairs = (schedule: TileSchedule): string[] => [
  ...(ofWarpgroups(schedule) ? [] : ['pairs of blocks are of warpgroups']),
  ...(schedule.BN % (2 * BOX) === 0
    ? []
    : [`a pair brings ${schedule.BN} columns in halves, which are multiples of ${BOX}`]),
];

/** Families with kernels that spread the inner dimension over subgroups: each result is one sum, not one of parts. */
const SPREAD: readonly Family[] = ['gemm', 'gemv', 'skinny', 'rankBatched'];

/** Invocations (threads) of a workgroup. */
export function invocations({ BM, BN, BK, TM, TN, warps, subgroups, gemv }: TileSchedule): number {
  if (gemv) return (BN / VECTOR) * (BK / VECTOR);
  if (subgroups) return BK;
  return warps > 0 ? warps * 32 : (BM / TM) * (BN / TN);
}

/** Longest side of the tile of a workgroup without matrix units, where a schedule was meant for them. */
export const SCALAR_TILE = 64;

/** Sums of one row that a chained product holds in one tile: it runs without matrix units. */
export const chainedColumns = ({ BN, warps }: TileSchedule): number =>
  warps > 0 ? Math.min(BN, SCALAR_TILE) : BN;

/**
 * Workgroup memory: a tile of each operand per stage, and for a widened launch a tile of R and all of P, in f32; with
 * subgroups what every invocation has of every result, and P; and the tables of packed operands.
 */
export function workgroupBytes(
  schedule: TileSchedule,
  { family, dtype, widen, packed }: Pick<Problem, 'family' | 'dtype' | 'widen' | 'packed'>,
): number {
  const { BM, BN, BK, TN, vec, stages, warps, subgroups, gemv, matrix, pad = 0 } = schedule;
  if (family === 'reducePartials') return 0;
  if (matrix) return matrixBytes(schedule);
  const tables = packed?.tableBytes ?? 0;
  if (gemv) return (4 * BM * BN * BK) / VECTOR + tables;
  if (subgroups) return 4 * BM * (BK * TN + (widen === undefined ? 0 : widen + TN - 1));
  // only matrix units read tiles of the operands' type: elsewhere an element is widened when it is loaded
  const size = warps > 0 && dtype !== 'tf32' ? ELEMENT_BYTES[dtype] : 4;
  const extra = widen === undefined ? 0 : stages * BK * widen * size + BM * widen * 4;
  // tiles of vectors are padded along the inner dimension instead
  const inVectors = vec === 4 && warps === 0;
  const ofVectors = inVectors ? BM * (BK + pad) + BK * (BN + pad) : 0;
  const words =
    inVectors && packed ? Math.max(...packed.how.map((how) => wordBytes({ BN, BK }, how, packed.along))) : 0;
  return Math.max(stages * BK * (BM + BN + 2 * pad), ofVectors) * size + extra + tables + words;
}

/** Workgroup memory of subgroups that multiply matrices, however operands are stored and whatever type sums have. */
function matrixBytes(schedule: TileSchedule): number {
  const { BM, BN, BK, stages, matrix } = schedule;
  const both = withEitherSums(matrix!);
  const { type } = both[0]!;
  const tiles = paddedElements(BM, BK, type) + paddedElements(BN, BK, type);
  const sums = both.map((one) => {
    const { result } = one;
    return matrixRows(schedule, one) * sumPitch(BN, result) * ELEMENT_BYTES[result];
  });
  return stages * tiles * ELEMENT_BYTES[type] + Math.max(...sums);
}

/** `64x64x16, 4x4 each`, `128x256x64, 4 stages, 12 warps`, `4x8, inner over 64 invocations, subgroups`. */
export function scheduleText(schedule: TileSchedule): string {
  const { BM, BN, BK, TM, TN, stages, warps, splitK, subgroups, gemv, halfSums, matrix, pairs } = schedule;
  if (gemv)
    return `${BM}x${BN}, ${BN / VECTOR} invocations along the columns, ${BK / VECTOR} along the inner dimension`;
  if (subgroups) {
    const columns = TN < BN ? `, ${TN} columns at a time` : '';
    return `${BM}x${BN}${columns}, inner over ${BK} invocations, subgroups`;
  }
  if (BM === 1 && BN === 1) return BK > 1 ? `each over ${BK} invocations` : 'the library chooses';
  if (BK === 1) return `${BM * BN} elements`;
  const shape = `${BM}x${BN}x${BK}`;
  const through = schedule.staged ? ' through registers' : '';
  const ring = ringOfCores(schedule) ? `, ${stages} stages${through}` : '';
  const units = matrix ? `${warps} subgroups, matrices ${matrix}` : `${warps} warps`;
  const how = warps > 0 ? `${stages} stages, ${units}` : `${TM}x${TN} each${ring}`;
  const sums = halfSums ? `, sums of ${BK} in float16` : '';
  return `${shape}, ${how}${pairs ? ', in pairs' : ''}${splitK > 1 ? `, in ${splitK} parts` : ''}${sums}`;
}
