import type { BufferPlan, KernelPlan, Launch, MatrixRef } from '../../kernel/model/types.js';
import { runtimeText } from '../../runtime-text.js';
import { launchesOf } from '../shared/tables.js';
import { BLAS_CU } from './generated/runtime.js';
import { type BufferNumbers, cString } from './rows.js';

/** cuBLASLt in an emitted CUDA library: products over tokens that the vendor's library does (bordered weights, S0). */

/** The launches of a plan that are calls of the vendor's library, in the order of their numbers. */
export const libraryCalls = (plan: KernelPlan): readonly Launch[] =>
  launchesOf(plan).filter(({ family }) => family === 'blas');

/** What describes products to cuBLASLt and has it compute them; after {@link productTypes}. */
export const blasText = (): readonly string[] => runtimeText(BLAS_CU, {}).trimEnd().split('\n');

/** In which types cuBLASLt multiplies and adds up. */
export function productTypes({ dtype, rounding }: Pick<KernelPlan, 'dtype' | 'rounding'>): readonly string[] {
  // it has no three products for one, and is exact then
  const tf32 = rounding === 'tf32';
  const type = { f32: 'CUDA_R_32F', f16: 'CUDA_R_16F', bf16: 'CUDA_R_16BF' }[dtype];
  return [
    `static constexpr cudaDataType_t PRODUCT_TYPE = ${type};`,
    `// ${tf32 ? 'operands rounded to tf32, sums' : 'sums'} in float32`,
    `static constexpr cublasComputeType_t PRODUCT_SUMS = CUBLAS_COMPUTE_32F${tf32 ? '_FAST_TF32' : ''};`,
  ];
}

/** The text of a call; `calls`: those of the whole plan. */
export function productText(launch: Launch, calls: readonly Launch[]): string {
  return `product(a, ${calls.indexOf(launch)})`;
}

/** The table of the products: before the state of the library. */
export function productTable(plan: KernelPlan, number: BufferNumbers): readonly string[] {
  const calls = libraryCalls(plan);
  return [
    `static constexpr int PRODUCT_COUNT = ${calls.length};`,
    ...productTypes(plan),
    '',
    'static const ProductRow PRODUCTS[PRODUCT_COUNT] = {',
    ...calls.map((launch) => `    {${productRow(launch, number).join(', ')}},  // ${launch.does}`),
    '};',
  ];
}

/** The arguments of the library for each product; the launch must be one that cuBLASLt takes in one call. */
function productRow({ name, work }: Launch, number: BufferNumbers): readonly (string | number | boolean)[] {
  if (work.kind !== 'product') throw new Error(`${name} is not a product`);
  const { segments, epilogue, out, cols, parts, chain, widen } = work;
  const [segment, more] = segments;
  const { a, b, inner } = segment!;
  const other = more || chain || widen || epilogue.residual || epilogue.activation;
  if (other || parts !== 1 || epilogue.scale !== 1) throw new Error(`${name} is more than one product`);
  if (a.transposed || a.perRowBlock || b.perRowBlock)
    throw new Error(`the operands of ${name} are not plain`);
  // heuristics rely on the alignment of whole buffers
  const whole = ({ offset }: MatrixRef) => offset === 0;
  if (![a.matrix, b.matrix, out].every(whole)) throw new Error(`${name} begins inside of a buffer`);
  const { bias } = epilogue;
  return [
    cString(name),
    ...[a.matrix, b.matrix, out].map(({ buffer }) => number.get(buffer)!),
    bias ? number.get(bias.buffer)! : -1,
    inner,
    cols,
    ...[a.matrix, b.matrix, out].map(({ rowStride }) => rowStride),
    b.transposed,
    epilogue.accumulate,
  ];
}

/** Copies of factors into the borders of weights: part of the work that depends on the factors alone. */
export function borderCopies(buffers: readonly BufferPlan[], number: BufferNumbers): readonly string[] {
  return buffers.flatMap(({ name, shape, blocks = [] }) =>
    blocks.flatMap((block) => {
      if (!('copyOf' in block)) return [];
      const { row, col, rows, cols, copyOf } = block;
      const stride = Number(shape[1]);
      const to = [number.get(name)!, row * stride + col, stride];
      const from = [number.get(copyOf.buffer)!, copyOf.offset, copyOf.rowStride];
      return [`  LOTRC_TRY(copy_part(a, ${[...to, ...from, rows, cols].join(', ')}));`];
    }),
  );
}
