/**
 * The matrices that a subgroup of a WebGPU device multiplies at once (`chromium_experimental_subgroup_matrix`). A device lists what it can in
 * `adapter.info.subgroupMatrixConfigs`; no configuration is one that all have. Which invocation holds which element is the device's
 * business, so sums reach others only through workgroup memory.
 */
export interface SubgroupMatrix {
  /** of the operands: a is rows x inner, b inner x cols */
  readonly type: 'f16' | 'f32';
  /** of the sums */
  readonly result: 'f16' | 'f32';
  readonly rows: number;
  readonly cols: number;
  readonly inner: number;
  /** devices with it have subgroups of several sizes: the kernel asks for one of {@link SUBGROUP} invocations */
  readonly asksForSize?: true;
}

/** Invocations of a subgroup that multiplies matrices. */
export const SUBGROUP = 32;

/** Shapes that devices are known to list: Apple; Intel Xe2; AMD and NVIDIA through Vulkan. */
const SHAPES = {
  'f32-8x8x8': { type: 'f32', rows: 8, cols: 8, inner: 8 },
  'f16-8x8x8': { type: 'f16', rows: 8, cols: 8, inner: 8 },
  'f16-8x16x16': { type: 'f16', rows: 8, cols: 16, inner: 16, asksForSize: true },
  'f16-16x16x16': { type: 'f16', rows: 16, cols: 16, inner: 16, asksForSize: true },
} as const satisfies Record<string, Omit<SubgroupMatrix, 'result'>>;

/** A shape by the type of its operands, and rows x columns x inner. */
export type SubgroupShape = keyof typeof SHAPES;
export const MATRIX_SHAPES = Object.keys(SHAPES) as readonly SubgroupShape[];

/** `halfSums`: of operands in float16 the sums are in float16 too. */
export function subgroupMatrix(shape: SubgroupShape, halfSums = false): SubgroupMatrix {
  const matrix = SHAPES[shape];
  return { ...matrix, result: halfSums && matrix.type === 'f16' ? 'f16' : 'f32' };
}

/** The matrices of a shape with sums in float32, and with those of halves. */
export const withEitherSums = (shape: SubgroupShape): readonly SubgroupMatrix[] =>
  [false, true].map((halfSums) => subgroupMatrix(shape, halfSums));

/** `f16 to f32, 8x8x8`, as the feature of a device and in messages. */
export const matrixText = ({ type, result, rows, cols, inner }: SubgroupMatrix): string =>
  `${type} to ${result}, ${rows}x${cols}x${inner}`;

/** Everything that a device may have. */
export const MATRIX_FEATURES: readonly string[] = MATRIX_SHAPES.flatMap((shape) => [
  ...new Set(withEitherSums(shape).map(matrixText)),
]);
