import type {
  BufferPlan,
  Extent,
  KernelPlan,
  Launch,
  Product,
  TileSchedule,
} from '../../kernel/model/types.js';
import { ELEMENT_BYTES, lengthOf, predict, productWork } from '../../kernel/plan/cost.js';
import { arithmeticOf, dense } from '../../kernel/plan/launches.js';
import { LIBRARY } from '../../kernel/plan/schedule.js';
import { VECTOR } from '../../kernel/plan/vectors.js';

/** Most parts: one invocation loads those of a result together. */
export const MOST_PARTS = 32;
/** Invocations of a block that adds parts. */
const FINISH_LANES = 256;

/** Scratch memory for the parts of products over tokens, and for those of products of factors. */
const OVER_TOKENS = 'parts_over_tokens';
const OF_FACTORS = 'parts_of_factors';

/** In how many parts the inner dimension of a product is cut; fewer than 2: it stays one launch. */
export type PartsOf = (work: Product, schedule: TileSchedule, plan: KernelPlan) => number;

/**
 * Cuts products whose results are too few blocks for a device. P = x R of 1,024 rows has 16 blocks of 64 x r; 132
 * multiprocessors are idle meanwhile but for 16. Such a product becomes two launches: its inner dimension is cut into parts,
 * and a second launch adds the parts in order and does what the epilogue says. All cut products share the memory for parts,
 * because launches follow one another on one stream.
 */
export class ProductCuts {
  #perToken = 0;
  #elements = 0;

  constructor(
    readonly plan: KernelPlan,
    readonly partsOf: PartsOf,
  ) {}

  /** The launch, or the two that take its place. Its schedule is the one that is emitted. */
  of(launch: Launch): readonly Launch[] {
    const { work, schedule } = launch;
    if (work.kind !== 'product' || launch.warpgroups || launch.family === 'blas') return [launch];
    const parts = this.partsOf(work, schedule, this.plan);
    if (parts < 2) return [launch];
    const { device, tokens } = this.plan;
    const cols = work.cols as number;
    const bound = { M: tokens };
    const overTokens = typeof work.rows === 'string';
    if (overTokens) this.#perToken = Math.max(this.#perToken, parts * cols);
    else this.#elements = Math.max(this.#elements, parts * cols * lengthOf(work.rows, bound));
    const partials = { buffer: overTokens ? OVER_TOKENS : OF_FACTORS, dtype: 'f32', offset: 0 } as const;
    const cut: Product = {
      ...work,
      epilogue: { scale: work.epilogue.scale, accumulate: false },
      out: dense(partials.buffer, partials.dtype, work.rows, cols),
      parts,
    };
    const BN = Math.min(FINISH_LANES, 2 ** Math.ceil(Math.log2(cols)));
    const elements = lengthOf(work.rows, bound) * cols;
    const size = ELEMENT_BYTES[work.out.dtype];
    return [
      {
        ...launch,
        name: `${launch.name}_parts`,
        schedule: { ...schedule, splitK: parts },
        work: cut,
        predicted: predict(productWork(cut, schedule, bound), arithmeticOf(work), device),
        does: `${launch.does}, in parts`,
      },
      {
        name: launch.name,
        family: 'reducePartials',
        schedule: {
          ...LIBRARY,
          BM: FINISH_LANES / BN,
          BN,
          vec: device.api === 'webgpu' ? VECTOR : 1,
        },
        work: {
          kind: 'finish',
          partials,
          parts,
          rows: work.rows,
          cols,
          epilogue: { ...work.epilogue, scale: 1 },
          out: work.out,
        },
        predicted: predict({ flops: elements * parts, bytes: elements * (4 * parts + size) }, 'f32', device),
        does: `adds the parts of ${launch.does}`,
      },
    ];
  }

  /** The memory for parts. */
  buffers(): readonly BufferPlan[] {
    const scratch = (name: string, shape: readonly Extent[]): BufferPlan => ({
      name,
      dtype: 'f32',
      shape,
      life: 'scratch',
    });
    return [
      ...(this.#perToken > 0 ? [scratch(OVER_TOKENS, ['M', this.#perToken])] : []),
      ...(this.#elements > 0 ? [scratch(OF_FACTORS, [this.#elements])] : []),
    ];
  }
}
