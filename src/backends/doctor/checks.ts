import { toF16 } from '../../ir/half.js';
import type { ElementwiseDef } from '../../train/optimizers/define.js';
import { STEP_KINDS, stepOptimizer } from '../host/shared/optimizer.js';
import { featuresOf, listedMatrix } from '../host/webgpu/features.js';
import { matrixText, subgroupMatrix } from '../kernel/device/subgroup-matrices.js';
import { gridOf, kernelOf } from '../kernel/gen/kernels.js';
import { STEP_WIDTH, stepKernel, stepNames } from '../kernel/gen/step.js';
import type { Kernel } from '../kernel/ir/kir.js';
import { type Memory, runLaunch } from '../kernel/model/by-definition.js';
import type {
  DeviceProfile,
  EinsumWork,
  Extent,
  KernelDtype,
  Launch,
  MatrixRef,
  Operand,
  Product,
  ScheduleRow,
  TileSchedule,
} from '../kernel/model/types.js';
import { dense, flipped, plain } from '../kernel/plan/launches.js';
import { einsumSchedule, scheduleText } from '../kernel/plan/schedule.js';
import { tilesInVectors, VECTOR } from '../kernel/plan/vectors.js';
import { printWgsl } from '../kernel/print/wgsl/print.js';
import { base64 } from './base64.js';
import { checkedLaunch } from './checked-launch.js';
import type { Job } from './examine.js';
import { packedChecks, packedContents } from './packed-checks.js';
import type { Check } from './record.js';
import { CHECKED_ROWS, rowChecks, rowSizes, rowTablesOf } from './row-checks.js';

/** Tiles that need of a device what all devices have, for families of which no other is right. */
const SPARE: TileSchedule = { BM: 8, BN: 8, BK: 8, TM: 1, TN: 1, vec: 1, stages: 1, warps: 0, splitK: 1 };
const SPARED = ['gemm', 'skinny', 'skinnyT', 'rankBatched'] as const;

/** A check and the kernel that it runs. */
export interface CheckedKernel {
  readonly check: Check;
  /** made on demand: what it is to compute takes a moment */
  readonly job: () => Job;
}

/**
 * Checks of everything that modules for a device launch: for each of its schedules products whose lengths no tile divides, in vectors
 * and element by element, with matrices stored either way; products with packed weights; rows with adapters of their own; sums of products that are not matrices; steps
 * of optimizers.
 */
export function checksOf(device: DeviceProfile): readonly CheckedKernel[] {
  const dtypes = (['f32', 'f16'] as const).filter((dtype) => device.flops[dtype] !== null);
  const made: CheckedKernel[] = [];
  const add = (check: Omit<Check, 'name'>, make: () => readonly [Kernel, Run]) => {
    const name = `check_${made.length}`;
    made.push({ check: { ...check, name }, job: () => jobOf(name, check, ...make()) });
  };
  const product = (row: ScheduleRow, index: number | null, spare?: ScheduleRow) => {
    const { family, schedule } = row;
    const dtype = typeOf(row);
    for (const { form, turned, halfSums } of variantsOf(row)) {
      const own = halfSums ? { ...row, schedule: { ...schedule, halfSums } } : row;
      const { matrix } = schedule;
      const how = `${form === 'vectors' && !schedule.gemv ? ', in vectors' : ''}${turned ? ', W stored (out, in)' : ''}`;
      const of = `${dtype} ${family} ${scheduleText(own.schedule)}${how}`;
      const feature = matrix ? { feature: matrixText(subgroupMatrix(matrix, halfSums)) } : {};
      const check = { of, dtype, family, row: index, form, ...(spare ? { spare } : {}), ...feature };
      add(check, () => launched(launchOf(own, form, turned)));
    }
  };
  for (const [index, row] of device.tiles.entries())
    if (dtypes.some((dtype) => dtype === row.dtype)) product(row, index);
  for (const dtype of dtypes)
    for (const family of SPARED) {
      const row = {
        target: device.target,
        dtype,
        family,
        bucket: 'any',
        schedule: SPARE,
        source: 'heuristic',
      } as const;
      product(row, null, row);
    }
  for (const { of, form, launch } of packedChecks(device)) {
    const check = {
      of: `f32 gemm, weight packed: ${of}`,
      dtype: 'f32',
      family: 'packed',
      row: null,
    } as const;
    add({ ...check, form, feature: 'packed' }, () => launched(launch));
  }
  for (const dtype of dtypes)
    for (const { of, form, launch } of rowChecks(dtype)) {
      const check = { of: `${dtype} ${of}`, dtype, family: 'rows', row: null } as const;
      add({ ...check, form, feature: 'rows' }, () => launched(launch));
    }
  const alone = { dtype: 'f32', row: null, form: 'elements' } as const;
  add({ ...alone, of: 'f32 einsum', family: 'einsum' }, () => launched(einsumLaunch()));
  for (const kind of STEP_KINDS) {
    const def = stepOptimizer(kind);
    const check = { ...alone, of: `a step of ${def.title}`, family: 'step' };
    add(check, () => [stepKernel(def, `${kind}_step`, STEPPED), stepRun(def)]);
  }
  return made;
}

const launched = (launch: Launch) => [kernelOf(launch), runOf(launch)] as const;

/** A kernel of a row. */
interface Variant {
  readonly form: Check['form'];
  readonly turned: boolean;
  readonly halfSums?: true;
}

/**
 * The kernels of a row: in vectors and element by element; those for few rows, and of matrices of subgroups, with the weight stored either
 * way, the latter with sums in each type.
 */
function variantsOf({ schedule, family, dtype }: ScheduleRow): readonly Variant[] {
  if (schedule.matrix)
    return [false, true].flatMap((turned): Variant[] => [
      { form: 'vectors', turned },
      ...(dtype === 'f16' ? [{ form: 'vectors', turned, halfSums: true } as const] : []),
    ]);
  if (schedule.gemv) return [false, true].map((turned) => ({ form: 'vectors', turned }));
  const elements = { form: 'elements', turned: false } as const;
  const sums = family === 'reducePartials' && schedule.vec === VECTOR;
  const tiles = family !== 'gemv' && tilesInVectors(schedule);
  return sums || tiles ? [{ form: 'vectors', turned: false }, elements] : [elements];
}

const M = 'M';
const mat = (buffer: string, dtype: KernelDtype, rows: Extent, cols: Extent): MatrixRef =>
  dense(buffer, dtype, rows, cols);

/** Type of the operands of a row: matrix units round them on CUDA alone. */
const typeOf = ({ dtype }: ScheduleRow): KernelDtype => (dtype === 'tf32' ? 'f32' : dtype);

function launchOf(row: ScheduleRow, form: Check['form'], turned: boolean): Launch {
  const { family, schedule } = row;
  const dtype = typeOf(row);
  const { BM, BN, BK, splitK } = schedule;
  const odd = form === 'vectors' ? 4 : 3;
  const [rows, cols, inner, rank] = [BM + odd, BN + odd, BK + odd, form === 'vectors' ? 8 : 5];
  const launch = (work: Launch['work']): Launch => checkedLaunch({ family, schedule, work });
  if (family === 'reducePartials') {
    const job = { parts: 3, elements: rows, accumulate: true } as const;
    const [partials, out] = ['parts', 'y'].map((buffer) => ({ buffer, dtype: 'f32', offset: 0 }) as const);
    return launch({ kind: 'reduce', jobs: [{ ...job, partials: partials!, out: out! }] });
  }
  const operand = (name: string, height: Extent, width: Extent, other = false): Operand =>
    other ? flipped(mat(name, dtype, width, height)) : plain(mat(name, dtype, height, width));
  const common = {
    kind: 'product',
    cols,
    epilogue: { scale: 0.75, accumulate: false },
    parts: splitK,
  } as const;
  if (family === 'skinnyT' || family === 'rankBatched') {
    const length = family === 'skinnyT' ? M : inner;
    // both stored the other way round, where no part of a sum begins within a vector
    const [a, b] = [operand('a', rows, length, true), operand('b', length, cols, family === 'rankBatched')];
    return launch({ ...common, rows, segments: [{ a, b, inner: length }], out: mat('y', 'f32', rows, cols) });
  }
  const x = { a: operand('x', M, inner), b: operand('w', inner, cols, turned), inner };
  const p = { a: operand('p', M, rank), b: operand('l', rank, cols, !turned), inner: rank };
  const out = mat('y', 'f32', M, cols);
  if (family === 'gemv') {
    const own = Math.min(rank, Math.floor(BN / 8));
    const widen = { rank: own, scale: 0.5, down: operand('r', inner, own), up: operand('l', own, cols) };
    return launch({ ...common, rows: M, segments: [x], widen, out });
  }
  const bias = { buffer: 'bias', dtype: 'f32', offset: 0 } as const;
  const work: Product = { ...common, rows: M, segments: [x, p], out };
  return launch({ ...work, epilogue: { ...work.epilogue, bias } });
}

/** Rows of x, or, for a sum over tokens, its length. */
function tokensOf({ family, schedule: { BM, BK, splitK } }: Launch): number {
  if (family === 'rows') return CHECKED_ROWS;
  return family === 'skinnyT' ? BK * splitK + 3 : BM + 3;
}

function einsumLaunch(): Launch {
  const ref = (buffer: string, strides: readonly number[]) =>
    ({ buffer, dtype: 'f32', offset: 0, strides }) as const;
  const work: EinsumWork = {
    kind: 'einsum',
    extents: [70, 131],
    kept: 1,
    operands: [ref('a', [131, 1]), ref('b', [0, 1])],
    scale: 0.75,
    accumulate: false,
    out: ref('y', [1, 0]),
  };
  return checkedLaunch({ family: 'einsum', schedule: einsumSchedule(work), work });
}

/** Contents of the buffers of a kernel, and what it leaves in one of them. */
interface Run {
  readonly buffers: ReadonlyMap<string, Float64Array>;
  readonly uniforms: (name: string) => number;
  readonly grid: readonly number[];
  readonly out: string;
  readonly expected: Float64Array;
}

/** Numbers between -1 and 1 that differ and are not zero, as an element type has them; `whole`: 1, 2 and their negatives. */
function numbers(count: number, seed: number, dtype: KernelDtype, whole = false): Float64Array {
  let state = seed * 7919 + 17;
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    if (whole) return [-2, -1, 1, 2][state >>> 30]!;
    // few binary digits: the same in every type
    return (Math.floor((state / 2 ** 32) * 1901) - 950 || 3) / (dtype === 'f16' ? 1024 : 1000);
  });
}

function runOf(launch: Launch): Run {
  const bound = { M: tokensOf(launch) };
  const n = (extent: Extent) => (typeof extent === 'number' ? extent : bound.M);
  const { work } = launch;
  // sums that float16 has exactly: whatever is off then is not rounding
  const whole = launch.schedule.halfSums === true;
  const sizes = new Map<string, readonly [count: number, dtype: KernelDtype]>();
  const matrix = ({ buffer, dtype, rows, cols }: MatrixRef) => sizes.set(buffer, [n(rows) * n(cols), dtype]);
  const out = 'y';
  let adds = false;
  if (work.kind === 'product') {
    for (const { a, b } of work.segments) for (const own of [a, b]) matrix(own.matrix);
    if (work.widen) for (const own of [work.widen.down, work.widen.up]) matrix(own.matrix);
    if (work.epilogue.bias) sizes.set('bias', [n(work.cols), 'f32']);
    sizes.set(out, [work.parts * n(work.out.rows) * n(work.out.cols), 'f32']);
  } else if (work.kind === 'reduce') {
    const [job] = work.jobs;
    sizes.set('parts', [job!.parts * job!.elements, 'f32']);
    sizes.set(out, [job!.elements, 'f32']);
    adds = job!.accumulate;
  } else if (work.kind === 'einsum') {
    const [rows, cols] = work.extents as [number, number];
    sizes
      .set('a', [rows * cols, 'f32'])
      .set('b', [cols, 'f32'])
      .set(out, [rows, 'f32']);
  } else if (work.kind === 'row-down' || work.kind === 'row-up') {
    for (const [name, ...size] of rowSizes(work, n)) sizes.set(name, size);
  } else throw new Error(`no check of ${work.kind}`);
  const buffers = new Map(
    [...sizes].map(([name, [count, dtype]], at) => {
      const poisoned = name === out && !adds;
      return [
        name,
        poisoned ? new Float64Array(count).fill(Number.NaN) : numbers(count, at + 3, dtype, whole),
      ] as const;
    }),
  );
  // float32 rounds the numbers that float64 is given too
  const given = new Map([...buffers].map(([name, data]) => [name, data.map(Math.fround)]));
  if (work.kind === 'row-down' || work.kind === 'row-up')
    for (const [name, table] of rowTablesOf(work)) given.set(name, table);
  const memory: Memory = new Map([...given].map(([name, data]) => [name, data.slice()]));
  for (const { b } of work.kind === 'product' ? work.segments : []) {
    const { packed } = b.matrix;
    if (!packed) continue;
    // the kernel reads words, and computes what their numbers give
    const { words, scales, zeros, numbers: unpacked } = packedContents(b.matrix, packed, 7);
    given.set(b.matrix.buffer, words).set(packed.scales.buffer, scales);
    if (packed.zeros) given.set(packed.zeros.buffer, zeros);
    memory.set(b.matrix.buffer, unpacked);
  }
  runLaunch(launch, memory, bound);
  return {
    buffers: given,
    uniforms: () => bound.M,
    grid: gridOf(launch, bound),
    out,
    expected: memory.get(out)!,
  };
}

/** Numbers of a factor that a step is checked on. */
const STEPPED = 85;
const RATE = 0.03;

function stepRun(def: ElementwiseDef): Run {
  const { hyper, slots, corrections } = stepNames(def);
  const values = new Map<string, number>([['learning_rate', RATE]]);
  for (const [name, own] of hyper) values.set(own, def.hyper[name]!.default || 0.1);
  const of: Readonly<Record<string, string>> = def.corrections;
  for (const [name, own] of corrections) values.set(own, 1 - values.get(hyper.get(of[name]!)!)! ** 3);
  const rounded = new Map([...values].map(([name, value]) => [name, Math.fround(value)]));
  const names = ['gradient', 'parameter', ...slots.values()];
  const buffers = new Map(
    // moments of squares are not negative
    names.map((name, at) => {
      const data = numbers(STEPPED, at + 3, 'f16');
      return [name, at < 2 ? data : data.map(Math.abs)] as const;
    }),
  );
  const named = (own: ReadonlyMap<string, string>, value: (name: string) => number) =>
    Object.fromEntries([...own].map(([name, inKernel]) => [name, value(inKernel)]));
  const number = (name: string) => rounded.get(name)!;
  const expected = buffers.get('parameter')!.map(
    (param, at) =>
      def.update(FLOAT64, {
        param,
        grad: buffers.get('gradient')![at]!,
        lr: number('learning_rate'),
        hyper: named(hyper, number),
        slots: named(slots, (name) => buffers.get(name)![at]!),
        corrections: named(corrections, number),
      }).param,
  );
  return {
    buffers,
    uniforms: number,
    grid: [Math.ceil(STEPPED / STEP_WIDTH), 1, 1],
    out: 'parameter',
    expected,
  };
}

const FLOAT64 = {
  number: (value: number) => value,
  add: (a: number, b: number) => a + b,
  sub: (a: number, b: number) => a - b,
  mul: (a: number, b: number) => a * b,
  div: (a: number, b: number) => a / b,
  sqrt: Math.sqrt,
  sign: Math.sign,
  named: (_: string, value: number) => value,
};

/** Bytes, with zeros after them up to a whole word. */
function inWords(data: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(4 * Math.ceil(data.length / 4));
  bytes.set(data);
  return bytes;
}

function jobOf(name: string, { dtype }: Omit<Check, 'name'>, kernel: Kernel, run: Run): Job {
  const { buffers, uniforms, matrix } = kernel;
  const contents = buffers.map(({ name: own, elem }) => {
    const data = run.buffers.get(own)!;
    if (elem === 'u32') return base64(Uint32Array.from(data));
    if (elem === 'u8') return base64(inWords(data));
    if (elem !== 'f16') return base64(Float32Array.from(data));
    // buffers are written in words of two
    const halves = new Uint16Array(data.length + (data.length % 2));
    for (const [at, value] of data.entries()) halves[at] = toF16(value);
    return base64(halves);
  });
  if (uniforms.length > 0) {
    const words = new DataView(new ArrayBuffer(16 * Math.ceil(uniforms.length / 4)));
    for (const [at, { name: own, type }] of uniforms.entries()) {
      if (type === 'u32') words.setUint32(4 * at, run.uniforms(own), true);
      else words.setFloat32(4 * at, run.uniforms(own), true);
    }
    contents.push(base64(words));
  }
  return {
    name,
    code: printWgsl(kernel),
    layout: [
      ...buffers.map(({ access }) => (access === 'read' ? 'read-only-storage' : 'storage')),
      ...(uniforms.length > 0 ? ['uniform'] : []),
    ],
    buffers: contents,
    grid: run.grid,
    out: buffers.findIndex(({ name: own }) => own === run.out),
    expected: base64(run.expected),
    // in float16 tables and sums may be all that is left of it
    features: [...new Set([...(dtype === 'f16' ? ['shader-f16'] : []), ...featuresOf([kernel])])],
    ...(matrix ? { matrix: listedMatrix(matrix) } : {}),
  };
}
