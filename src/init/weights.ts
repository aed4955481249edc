import type { SiteRow, WeightLayout } from '../adapter/saved-plan.js';
import type { TensorData } from '../ir/tensor.js';

/** A layer's weight as it is stored. */
export interface StoredMatrix {
  readonly data: TensorData;
  /** `io`: stored as (in, out); `oi`: stored as (out, in). The layout of the stored tensor, before any Transpose node */
  readonly layout: WeightLayout;
  /** Gemm's alpha, 1 elsewhere: the layer computes alpha x W, and the adapter's part is added after that */
  readonly alpha: number;
}

/** Gives the stored weight of a site; asked only when some factor starts from weights. */
export interface WeightAccess {
  /** Null when the weight is computed or quantised. */
  weight(site: SiteRow): StoredMatrix | null;
}
