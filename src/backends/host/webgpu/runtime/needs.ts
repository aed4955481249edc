// #if EMIT_SOURCE
import {
  BUFFER_NAMES,
  BUFFERS,
  type BufferLayout,
  type BufferName,
  type Extent,
  FEATURES,
  type GridExtent,
  KERNELS,
  type Kernel,
  LIMITS,
  MATRIX,
  type MatrixConfig,
  ROW_BLOCK,
  STEPS,
  TOKENS,
} from './plan.js';
// #endif
/** What requestDevice takes, with both lists filled in. */
export interface Requirements extends GPUDeviceDescriptor {
  requiredFeatures: GPUFeatureName[];
  requiredLimits: Record<string, number>;
}

/**
 * What a device needs to run on this number of tokens: pass it to requestDevice. Throws RangeError for an
 * invalid number of tokens.
 */
export function requirements(tokens: number = TOKENS): Requirements {
  if (!Number.isSafeInteger(tokens) || tokens < 1) {
    throw new RangeError(`tokens must be a whole number from 1 on, not ${tokens}`);
  }
  const bytes = Math.max(...BUFFER_NAMES.map((name) => bytesOf(name, tokens)));
  const grids = Object.values<Kernel>(KERNELS).flatMap((kernel) => gridOf(kernel, tokens));
  // #if EMIT_TRAINING
  grids.push(...STEPS.flatMap(({ kernel }) => gridOf(kernel, tokens)));
  // #endif
  // #if EMIT_SLICES
  const bound = Object.values<Kernel>(KERNELS).flatMap(({ bindings }) =>
    bindings.map(({ buffer, offset = 0, size = bytesOf(buffer, tokens) - offset }) => size),
  );
  // #endif
  return {
    // #if EMIT_MATRICES
    requiredFeatures: [...FEATURES] as GPUFeatureName[],
    // #else
    //-     requiredFeatures: [...FEATURES],
    // #endif
    requiredLimits: {
      ...LIMITS,
      // #if EMIT_SLICES
      maxStorageBufferBindingSize: Math.max(...bound),
      // #else
      //-       maxStorageBufferBindingSize: bytes,
      // #endif
      maxBufferSize: bytes,
      maxComputeWorkgroupsPerDimension: Math.max(...grids),
    },
  };
}

/** What an adapter, or a device, lacks to run on this number of tokens, as text. Empty: it lacks nothing. */
export function missing(from: Pick<GPUAdapter, 'features' | 'limits'>, tokens: number = TOKENS): string[] {
  const { requiredFeatures, requiredLimits } = requirements(tokens);
  const features = requiredFeatures.filter((name) => !from.features.has(name));
  const limits = Object.entries(requiredLimits).flatMap(([name, needed]) => {
    const has: unknown = from.limits[name as keyof GPUSupportedLimits];
    return typeof has === 'number' && has < needed ? [`${name} of ${needed} (it has ${has})`] : [];
  });
  // #if EMIT_MATRICES
  const lacks = [...features.map((name) => `the feature ${name}`), ...limits];
  return [...lacks, ...missingMatrices(from as typeof from & Informed)];
  // #else
  //-   return [...features.map((name) => `the feature ${name}`), ...limits];
  // #endif
}

// #if EMIT_MATRICES
/** What an adapter and a device say of themselves. */
interface Informed {
  readonly info?: object;
  readonly adapterInfo?: object;
}

/** The part of GPUAdapterInfo that is experimental, or not in every browser. */
interface SubgroupInfo {
  readonly subgroupMinSize?: number;
  readonly subgroupMaxSize?: number;
  readonly subgroupMatrixConfigs?: Iterable<MatrixConfig>;
}

/** What is lacking of matrices of subgroups: a configuration that is listed, and subgroups of one known size. */
function missingMatrices({ info, adapterInfo }: Informed): string[] {
  const {
    subgroupMinSize: least = 0,
    subgroupMaxSize: most = 0,
    subgroupMatrixConfigs = [],
  }: SubgroupInfo = info ?? adapterInfo ?? {};
  const text = ({ componentType, resultComponentType, M, N, K }: MatrixConfig) =>
    `${componentType} to ${resultComponentType}, ${M}x${N}x${K}`;
  const listed = [...subgroupMatrixConfigs].map(text);
  const lacks: string[] = [];
  if (!listed.includes(text(MATRIX)))
    lacks.push(`subgroup matrices ${text(MATRIX)} (it lists ${listed.join('; ') || 'none'})`);
  const { subgroupSize: size, asksForSize } = MATRIX;
  const fits = asksForSize ? least <= size && size <= most : least === size && most === size;
  if (!fits) lacks.push(`subgroups of ${size} (it has ${least} to ${most})`);
  return lacks;
}

// #endif

/** Number of elements of a buffer for this number of tokens. */
export function sizeOf(name: BufferName, tokens: number): number {
  const { shape }: BufferLayout = BUFFERS[name];
  return shape.reduce<number>((size, extent) => size * lengthOf(extent, tokens), 1);
}

/** Length of an axis for this number of tokens. */
function lengthOf(extent: Extent, tokens: number): number {
  // #if EMIT_MANY
  if (extent === 'rowBlocks') return Math.ceil(tokens / ROW_BLOCK);
  // #endif
  return extent === 'M' ? tokens : extent;
}

/** Number of workgroups of a launch for this number of tokens. */
function gridOf({ grid }: Kernel<string>, tokens: number): readonly [x: number, y: number, z: number] {
  const [x, y, z] = grid;
  const count = (extent: GridExtent) =>
    typeof extent === 'number' ? extent : Math.ceil(tokens / extent.per);
  return [count(x), count(y), count(z)];
}

// #if EMIT_PACKED
/** Whether a buffer holds bytes of a packed weight. */
function isPacked(name: BufferName): boolean {
  const { type }: BufferLayout = BUFFERS[name];
  return type === 'u8';
}

// #endif
// #if EMIT_HALF
/** Whether a buffer holds float16. */
function isHalf(name: BufferName): boolean {
  const { type }: BufferLayout = BUFFERS[name];
  return type === 'f16';
}

/** Bytes of a buffer for this number of tokens. Buffers are copied in words of four bytes. */
function bytesOf(name: BufferName, tokens: number): number {
  const size = sizeOf(name, tokens);
  // #if EMIT_PACKED
  if (isPacked(name)) return 4 * Math.ceil(size / 4);
  // #endif
  return isHalf(name) ? 4 * Math.ceil(size / 2) : 4 * size;
}

// #else
//- /** Bytes of a buffer for this number of tokens. */
//- function bytesOf(name: BufferName, tokens: number): number {
// #if EMIT_PACKED
//-   if (isPacked(name)) return 4 * Math.ceil(sizeOf(name, tokens) / 4);
// #endif
//-   return 4 * sizeOf(name, tokens);
//- }

// #endif
// #if EMIT_SOURCE
export { bytesOf, gridOf, isHalf, isPacked };
// #endif
