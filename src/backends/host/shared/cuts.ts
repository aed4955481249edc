import type { BufferPlan, Extent, Launch, Product, TileSchedule } from '../../kernel/model/types.js';
import { dense } from '../../kernel/plan/launches.js';
import { priced, type Unpriced, unlessSlower } from '../../kernel/plan/price.js';
import type { PricedOn } from '../../kernel/plan/product-price.js';
import { LIBRARY } from '../../kernel/plan/schedule.js';
import { VECTOR } from '../../kernel/plan/vectors.js';

/** Most parts: one invocation loads those of a result together. */
export const MOST_PARTS = 32;
/** Invocations of a block that adds parts. */
const FINISH_LANES = 256;

/** Scratch memory for the parts of products over tokens, and for those of products of factors. */
const OVER_TOKENS = 'parts_over_tokens';
const OF_FACTORS = 'parts_of_factors';

/** In how many parts the inner dimension of a product may be cut; fewer than 2: it stays one launch. */
export type MostParts = (work: Product, schedule: TileSchedule) => number;

/**
 * Cuts products whose results are too few blocks for a device. P = x R of 1,024 rows has 16 blocks of 64 x r; 132
 * multiprocessors are idle meanwhile but for 16. Such a product becomes two launches where these are clearly faster: its inner
 * dimension is cut into parts, of which there are fewer where that is clearly faster, and a second launch adds the parts in order and does what
 * the epilogue says. All cut products share the memory for parts, because launches follow one another on one stream.
 */
export class ProductCuts {
  #perToken = 0;
  #elements = 0;

  constructor(
    readonly on: PricedOn,
    readonly mostParts: MostParts,
  ) {}

  /** The launch, or the two that take its place. Its schedule is the one that is emitted. */
  of(launch: Unpriced): readonly Launch[] {
    const launches = this.cheapest(launch);
    const [{ work }] = launches as readonly [Launch];
    if (work.kind === 'product' && launches.length > 1) {
      const each = work.parts * (work.cols as number);
      if (typeof work.rows === 'string') this.#perToken = Math.max(this.#perToken, each);
      else this.#elements = Math.max(this.#elements, each * work.rows);
    }
    return launches;
  }

  /** The same, without memory for it. */
  cheapest(launch: Unpriced): readonly Launch[] {
    const whole = priced(launch, this.on);
    const { work, schedule } = launch;
    if (work.kind !== 'product' || launch.warpgroups || launch.family === 'blas') return [whole];
    const cuts: (readonly Launch[])[] = [];
    for (let parts = this.mostParts(work, schedule); parts > 1; parts = Math.floor(parts / 2))
      cuts.push(this.#cut(launch, work, parts));
    return cuts.length === 0 ? [whole] : unlessSlower([whole], cuts.reduce(unlessSlower));
  }

  #cut(launch: Unpriced, work: Product, parts: number): readonly Launch[] {
    const { device } = this.on;
    const cols = work.cols as number;
    const buffer = typeof work.rows === 'string' ? OVER_TOKENS : OF_FACTORS;
    const partials = { buffer, dtype: 'f32', offset: 0 } as const;
    const BN = Math.min(FINISH_LANES, 2 ** Math.ceil(Math.log2(cols)));
    const vec = device.api === 'webgpu' ? VECTOR : 1;
    const product: Unpriced = {
      ...launch,
      name: `${launch.name}_parts`,
      schedule: { ...launch.schedule, splitK: parts },
      work: {
        ...work,
        epilogue: { scale: work.epilogue.scale, accumulate: false },
        out: dense(buffer, partials.dtype, work.rows, cols),
        parts,
      },
      does: `${launch.does}, in parts`,
    };
    const sums: Unpriced = {
      name: launch.name,
      family: 'reducePartials',
      schedule: { ...LIBRARY, BM: FINISH_LANES / BN, BN, vec },
      work: {
        kind: 'finish',
        partials,
        parts,
        rows: work.rows,
        cols,
        epilogue: { ...work.epilogue, scale: 1 },
        out: work.out,
      },
      does: `adds the parts of ${launch.does}`,
    };
    return [product, sums].map((one) => priced(one, this.on));
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
