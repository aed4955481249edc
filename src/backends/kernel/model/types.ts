import type { Agreement } from '../../../adapter/agreement.js';
import type { CodeTable } from '../../../ir/ops/core/code-tables.js';
import type { SubgroupShape } from '../device/subgroup-matrices.js';
import type { Group, LayerRegion, Skipped } from './layers.js';

/**
 * Types that contraction planning and the kernel families share, as plain data. A plan is a list of launches; a launch says
 * which matrices are multiplied, in what order along the inner dimension, and what is done to each result before it
 * is stored. With a schedule and a device profile that is all a family needs to generate its kernel.
 *
 * Letters: M tokens (rows of x), K inputs, N outputs, r rank. All matrices are row-major.
 */

/** Element types of buffers. Products accumulate in f32 whatever the operands are. */
export type KernelDtype = 'f32' | 'f16' | 'bf16';

/** A length known when the plan is made, or the name of a uniform that holds it at launch ("M"). */
export type Extent = number | string;

/** How float32 operands of products over tokens are rounded for matrix units: see UnitType of the kernel IR. */
export type UnitRounding = 'tf32' | 'tf32x3';

export type Activation = 'relu' | 'gelu' | 'gelu-tanh' | 'silu';

// ── devices ─────────────────────────────────────────────────────────────────

/**
 * A device as the cost model and the legality checks see it. Rates are those a good kernel reaches, not data-sheet
 * peaks.
 */
export interface DeviceProfile {
  readonly name: string;
  /** key of schedule rows: "webgpu-laptop", "sm_90a" */
  readonly target: string;
  /** what its kernels are written for: "webgpu", "cuda", "hip"; `platform` is its name in messages */
  readonly api: string;
  readonly platform: string;
  /** FLOP per second of a matrix product by operand type; null: the device has no such type */
  readonly flops: Readonly<Record<KernelDtype, number | null>> & {
    /** of float32 operands that matrix units round */
    readonly tf32?: number;
  };
  /** the same of a vendor library, for types where it uses matrix units that no emitted kernel uses; a plan then prefers it */
  readonly libraryFlops?: Readonly<Partial<Record<KernelDtype | 'tf32', number>>>;
  /** bytes per second to and from device memory */
  readonly bytesPerSecond: number;
  readonly launchSeconds: number;
  /** last-level cache, bytes */
  readonly cacheBytes: number;
  /** workgroup (shared) memory of one workgroup, bytes */
  readonly workgroupBytes: number;
  /** most invocations (threads) in a workgroup */
  readonly invocations: number;
  /** multiprocessors, cores, units: what runs workgroups side by side; absent where a kernel's workgroups are not counted */
  readonly multiprocessors?: number;
  /** storage buffers that one kernel may bind */
  readonly storageBuffers: number;
  /** most bytes of a buffer that a kernel is given; absent: all of it */
  readonly bindingBytes?: number;
  /**
   * What kernels may use: `subgroups`; matrices of subgroups, each by its matrixText (subgroup-matrices.ts); `mma` matrix units of a warp; `cp.async` a pipeline of copies; `staged` rings of two tiles that
   * come through registers; `wgmma`, `tma` warpgroups and their copy engine; `library` a vendor library that multiplies strided matrices; `packed` loads of bytes, for packed weights
   */
  readonly features: readonly string[];
  /** where the figures come from */
  readonly source: string;
  /** tile sizes to start from, in the order in which they are tried; rows of a tuner go before them */
  readonly tiles: readonly ScheduleRow[];
}

// ── terms ─────────────────────────────────────────────────────

/** `out (+)= scale * einsum(args)`: one step of an exact lowering. `einsum` is like "mk,kr->mr". */
export interface EinsumStep {
  readonly out: string;
  readonly einsum: string;
  readonly args: readonly string[];
  readonly scale: number;
  readonly accumulate: boolean;
}

// ── schedules ───────────────────────────────────────────────────────────────

/**
 * Tile of a workgroup (BM x BN outputs, BK of the inner dimension at a time); TM x TN outputs of one invocation, or of one
 * warp where `warps` is not 0; vector width of loads; stages of the copy pipeline (1: none); warps of a CUDA block (0 in
 * WGSL but for matrices of subgroups, where a workgroup has BM/TM * BN/TN invocations); parts into which the inner dimension is split (partial sums,
 * added by a second launch).
 *
 * `subgroups`: the inner dimension is spread over the BK invocations of a workgroup, which make BM x BN outputs, BM x
 * TN (TM is BM) at a time, and sum over subgroups what each of them has.
 *
 * `gemv`: the invocations of a workgroup, which make BM x BN outputs, lie BN / 4 along the columns and BK / 4 along the inner
 * dimension; no tile passes through workgroup memory. For few rows, in vectors.
 *
 * `matrix`: `warps` subgroups of a workgroup of WebGPU, each with TM x TN outputs, multiply matrices of that shape, in a ring of two tiles.
 */
export interface TileSchedule {
  readonly BM: number;
  readonly BN: number;
  readonly BK: number;
  readonly TM: number;
  readonly TN: number;
  readonly vec: 1 | 2 | 4;
  readonly stages: number;
  readonly warps: number;
  readonly splitK: number;
  readonly subgroups?: true;
  readonly gemv?: true;
  readonly matrix?: SubgroupShape;
  /** in vectors of float16: the products of BK numbers are added in float16, the sums of those in float32 */
  readonly halfSums?: true;
  /** without matrix units, in a ring of two: tiles come through registers, not in copies that run by themselves */
  readonly staged?: true;
  /** without matrix units: padding of rows of tiles, in elements, so that they begin in different banks */
  readonly pad?: number;
  /** of warpgroups: two blocks that are neighbours along the rows share tiles of the second operand */
  readonly pairs?: true;
}

/**
 * `gemm`: tiles of an M x N result; `skinny`: M x r, reads a wide matrix once; `skinnyT`: r x N or K x r, sums over
 * tokens; `rankBatched`: weight-space products over all sites of a group; `einsum`: all other ones;
 * `gemv`: few rows; `rows`: rows with adapters of their own; `reducePartials`: adds partial results in a fixed order; `blas`: a call of
 * the vendor's library.
 */
export type Family =
  | 'gemm'
  | 'skinny'
  | 'skinnyT'
  | 'rankBatched'
  | 'einsum'
  | 'gemv'
  | 'rows'
  | 'reducePartials'
  | 'blas';

/** A schedule for a family on a target. `bucket` is a shape class, see schedule.ts. */
export interface ScheduleRow {
  readonly target: string;
  /** of the operands; tf32: of float32 that matrix units round */
  readonly dtype: KernelDtype | 'tf32';
  readonly family: Family;
  readonly bucket: string;
  readonly schedule: TileSchedule;
  readonly source: 'tuned' | 'heuristic';
}

// ── launches ────────────────────────────────────────────────────────────────

/**
 * `weight`: uploaded once; `step`: rewritten every optimizer step; `tokens`: depends on M; `scratch`: within a launch
 * pair.
 */
export interface BufferPlan {
  readonly name: string;
  readonly dtype: KernelDtype | 'u32' | 'u8';
  readonly shape: readonly Extent[];
  readonly life: 'weight' | 'step' | 'tokens' | 'scratch';
  /** model tensors that fill the buffer, stacked along axis 0; absent for what launches or the caller write */
  readonly from?: readonly string[];
  /** the value of the model that the buffer holds: x that a region reads, y that a layer gives, or its gradient */
  readonly value?: string;
  /** rows and columns of each tensor of `from` where it has room for more: the rest is zero */
  readonly own?: readonly [rows: number, cols: number];
  /** the tensors of `from` are side by side (along axis 1) instead */
  readonly sideBySide?: true;
  /** what fills parts of the buffer instead; the rest is zero */
  readonly blocks?: readonly Block[];
  /** number of columns at the end of every row that launches write (P or dP); they are zero where no launch writes */
  readonly border?: number;
  /** holds the gradient of that factor buffer, laid out as it is: what an optimizer step reads */
  readonly gradientOf?: string;
  /** on a gradient: multiplies the learning rate of a step; absent: 1 */
  readonly lrMultiplier?: number;
  /** zero at the start of every optimizer step: launches add to it */
  readonly cleared?: true;
  /** a factor of adapters of which each has a rank of its own: a part for each, with room for the largest rank */
  readonly ofRows?: OfRows;
  /** holds the values of that buffer in another type; every launch that writes the other one writes this one too */
  readonly copyOf?: string;
}

/**
 * What the part of an adapter holds: `tensors` one after another, matrices of which the axis of the rank comes first, so that an adapter's
 * own rank is a leading part.
 */
export interface OfRows {
  /** number of the group whose ranks they have */
  readonly group: number;
  readonly tensors: readonly string[];
  /** the other axis; null: of the rank too, of which each row has room for the largest */
  readonly length: number | null;
  /** the model has that axis first */
  readonly turned: boolean;
}

/** A part of a buffer, `rows` x `cols`: a tensor of the model, or a copy of a matrix that steps change. */
export type Block = {
  readonly row: number;
  readonly col: number;
  readonly rows: number;
  readonly cols: number;
} & ({ readonly tensor: string; readonly transposed: boolean } | { readonly copyOf: MatrixRef });

/**
 * How the numbers of a matrix are packed: rows of blocks of `block` codes of `bits` bits each, the last block of a row filled up.
 * `scales` and `zeros` have a number for each block, rows after rows.
 */
export interface Packed {
  readonly bits: 4 | 8;
  /**
   * What codes stand for. null: whole numbers, the lowest bits of a byte first, and a number is (code - zero) * scale; otherwise the
   * numbers of a table, the highest bits of a byte first, and a number is table[code] * scale, without zero points.
   */
  readonly table: CodeTable | null;
  readonly block: number;
  readonly scales: { readonly buffer: string; readonly dtype: KernelDtype; readonly offset: number };
  /** u8: packed as the matrix is, rows begin with a byte of their own; null: half of the range */
  readonly zeros: {
    readonly buffer: string;
    readonly dtype: KernelDtype | 'u8';
    readonly offset: number;
  } | null;
}

/** A row-major matrix in a buffer, as it is stored. */
export interface MatrixRef {
  readonly buffer: string;
  /** of its numbers; where they are packed, what they are unpacked to */
  readonly dtype: KernelDtype;
  readonly packed?: Packed;
  readonly rows: Extent;
  readonly cols: Extent;
  /** first element in the buffer */
  readonly offset: number;
  /** elements from one row to the next; `cols` when dense */
  readonly rowStride: Extent;
}

/** An operand as the product reads it: `transposed` reads element (i, j) at stored (j, i). */
export interface Operand {
  readonly matrix: MatrixRef;
  readonly transposed: boolean;
  /** several adapters: the first element is offset + stride * table[row block], of `count` adapters */
  readonly perRowBlock?: { readonly table: string; readonly stride: number; readonly count: number };
}

/** One stretch of the inner dimension: a is (rows, inner), b is (inner, cols), after transposition. */
export interface Segment {
  readonly a: Operand;
  readonly b: Operand;
  readonly inner: Extent;
}

/** What happens to a sum before it is stored, in this order: scale, bias, residual, activation, add to `out`. */
export interface Epilogue {
  readonly scale: number;
  /** buffer of `cols` elements */
  readonly bias?: { readonly buffer: string; readonly dtype: KernelDtype; readonly offset: number };
  readonly activation?: Activation;
  /** added before the activation */
  readonly residual?: MatrixRef;
  /** out += result instead of out = result */
  readonly accumulate: boolean;
}

/**
 * out (rows x cols) = epilogue(sum over segments of a b). The inner dimensions of the segments lie one after another
 * (concat-K); a segment starts at a multiple of BK, its tail is padded with zeros.
 */
export interface Product {
  readonly kind: 'product';
  readonly rows: Extent;
  readonly cols: Extent;
  readonly segments: readonly Segment[];
  /**
   * Single launch (widen-N): the kernel also forms P = a_0 down in workgroup memory while it reads a_0, and adds
   * scale P up. `down` is (inner of segment 0, rank), `up` is (rank, cols).
   */
  readonly widen?: {
    readonly rank: number;
    readonly scale: number;
    readonly down: Operand;
    readonly up: Operand;
  };
  /**
   * The sum (rows, cols) is multiplied by this (cols, out.cols) before the epilogue, while the tile is still in
   * workgroup memory: P = x R, then T = P M. Only for `skinny`.
   */
  readonly chain?: Operand;
  /** of float32 operands; absent: none */
  readonly rounding?: UnitRounding;
  readonly epilogue: Epilogue;
  readonly out: MatrixRef;
  /**
   * More than 1: the inner dimension is cut into this many parts, each segment by itself or, where they pass through a ring, all
   * tiles of BK; part p is stored dense at out.offset + p * rows * cols, the epilogue is that of the launch that adds the
   * parts (then only `scale` applies here).
   */
  readonly parts: number;
}

/** out (+)= sum over parts, in order of the part number, of `partials` (each `elements` long, dense). */
export interface ReduceJob {
  readonly partials: { readonly buffer: string; readonly dtype: KernelDtype; readonly offset: number };
  readonly parts: number;
  readonly elements: number;
  readonly out: { readonly buffer: string; readonly dtype: KernelDtype; readonly offset: number };
  readonly accumulate: boolean;
}

/** Several reductions in one launch; the workgroups of job j follow those of job j - 1. */
export interface Reduce {
  readonly kind: 'reduce';
  readonly jobs: readonly ReduceJob[];
}

/**
 * out (rows x cols) = epilogue(sum over parts, in order of the part number, of `partials`): what finishes a product whose
 * inner dimension was cut. Parts are dense, one after another; the product has applied the scale of its epilogue.
 */
export interface Finish {
  readonly kind: 'finish';
  readonly partials: { readonly buffer: string; readonly dtype: 'f32'; readonly offset: number };
  readonly parts: number;
  readonly rows: Extent;
  readonly cols: number;
  readonly epilogue: Epilogue;
  readonly out: MatrixRef;
}

/** An array as an einsum reads or writes it, in the axes of its index space. */
export interface StridedRef {
  readonly buffer: string;
  readonly dtype: KernelDtype;
  /** first element in the buffer */
  readonly offset: number;
  /** elements from one index to the next along each axis of the index space; 0: it lacks that axis */
  readonly strides: readonly number[];
}

/** out (+)= scale times the sum of products of operands, number by number. Without operands the product is 0. */
export interface EinsumWork {
  readonly kind: 'einsum';
  /** of the index space: the axes of the result, then those that are summed */
  readonly extents: readonly number[];
  /** number of axes of the result */
  readonly kept: number;
  readonly operands: readonly StridedRef[];
  readonly scale: number;
  readonly accumulate: boolean;
  readonly out: StridedRef;
}

/** Some elements of a buffer, from one on. */
export interface Placed {
  readonly buffer: string;
  readonly dtype: KernelDtype;
  readonly offset: number;
}

/** The adapters of a batch whose rows have one each, or none: which, in a buffer of u32, and of each adapter its rank (u32) and scale. */
export interface RowAdapters {
  /** with an element for each row: what is not below `count` means none */
  readonly rows: { readonly buffer: string; readonly offset: number };
  /** 0: it is not complete, and rows that name it have none */
  readonly ranks: { readonly buffer: string; readonly offset: number };
  readonly scales: Placed;
  readonly count: number;
  /** the largest rank that there is room for */
  readonly most: number;
}

/** out (rows, downs * most) = each row of x times the matrices `down` of its adapter, stored (adapter, downs, most, inner). */
export interface RowDown {
  readonly kind: 'row-down';
  /** numbers of a row of x, and of a matrix, that an invocation loads at once: eight on CUDA, a vector on WebGPU */
  readonly together: 1 | 4 | 8;
  readonly rows: Extent;
  readonly inner: number;
  readonly downs: number;
  readonly of: RowAdapters;
  readonly x: MatrixRef;
  readonly down: Placed;
  readonly out: MatrixRef;
}

/**
 * out (rows, layers * cols) = s p core up with the matrices of the adapter of each row, 0 where it has none. `core` is stored (adapter,
 * layers, most, most), `up` (adapter, ups, most, cols). `downs` and `ups` are 1 where all layers have that in common.
 */
export interface RowUp {
  readonly kind: 'row-up';
  /** as of RowDown, of a row of `up` and of the result */
  readonly together: 1 | 4 | 8;
  readonly rows: Extent;
  /** of one layer */
  readonly cols: number;
  readonly layers: number;
  readonly downs: number;
  readonly ups: number;
  readonly of: RowAdapters;
  readonly p: MatrixRef;
  readonly core: Placed | null;
  readonly up: Placed;
  readonly out: MatrixRef;
}

export interface Predicted {
  readonly flops: number;
  readonly bytes: number;
  readonly seconds: number;
}

export interface Launch {
  /** unique in the plan, usable as an identifier: "forward_down_3" */
  readonly name: string;
  readonly family: Family;
  readonly schedule: TileSchedule;
  /** tiles of the same product where the device has warpgroups (sm_90a); `schedule` elsewhere */
  readonly warpgroups?: TileSchedule;
  readonly work: Product | Reduce | Finish | EinsumWork | RowDown | RowUp;
  readonly predicted: Predicted;
  /** one line of mathematics for readers: "P = x R" */
  readonly does: string;
}

// ── plans ───────────────────────────────────────────────────────────────────

/**
 * Where the middle factor is multiplied: into the last one, with the tokens, or into the weight together with the others; `rows`: with the
 * tokens, each of which has an adapter of its own.
 */
export type Strategy = 'L-fold' | 'token' | 'merged' | 'rows';
/** S0 bordered weight, S1 split + concat-K, S2 widened single launch; `plain`: no adapter work in token space. */
export type Scheme = 'S0' | 'S1' | 'S2' | 'plain';

export interface Rejected {
  /** a strategy, with its scheme, in words */
  readonly strategy: string;
  readonly because: string;
}

/** The plan of a region: its launches in order. */
export interface RegionPlan {
  readonly region: LayerRegion;
  readonly strategy: Strategy;
  readonly scheme: Scheme;
  /** why this one, in a line */
  readonly because: string;
  readonly forward: readonly Launch[];
  /** empty when serving */
  readonly backward: readonly Launch[];
  /** the same layers without adapters: their products (forward) and the gradients of their inputs (backward) */
  readonly base: { readonly forward: Predicted; readonly backward: Predicted; readonly launches: number };
  readonly rejected: readonly Rejected[];
}

/** Launches that fold an adapter into the weights in place, and the launches that run while it is merged. */
export interface Merging {
  /** W += s R M L for every weight, after the prologue */
  readonly merge: readonly Launch[];
  /** W -= s R M L: restores the weight, except for rounding */
  readonly unmerge: readonly Launch[];
  /** y = x W + b for the layers of each region */
  readonly forward: readonly (readonly Launch[])[];
}

export interface KernelPlan {
  /** what adapter files for its layers agree in */
  readonly description: readonly Agreement[];
  readonly device: DeviceProfile;
  readonly dtype: KernelDtype;
  /** of float32 in products over tokens; absent: none */
  readonly rounding?: UnitRounding;
  /** rows of every x: batch times sequence */
  readonly tokens: number;
  readonly purpose: 'train' | 'serve';
  /** adapters in one batch; rows are sorted by adapter, unless `mostRank` says that each has its own */
  readonly adapters: number;
  /** each row has an adapter of its own, of any rank up to this one */
  readonly mostRank?: number;
  readonly groups: readonly Group[];
  readonly buffers: readonly BufferPlan[];
  /** weight space, before the tokens: once per step (train), or when the adapter changes (serve) */
  readonly prologue: readonly Launch[];
  readonly regions: readonly RegionPlan[];
  /** weight space, after the tokens: gradients of the factors that token space has not computed */
  readonly epilogue: readonly Launch[];
  /** on request: merge the adapter into the weights and unmerge it, on the device */
  readonly merging?: Merging;
  readonly skipped: readonly Skipped[];
}
