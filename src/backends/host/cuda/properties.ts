import type { KernelPlan } from '../../kernel/model/types.js';
import { libraryCalls } from './blas.js';

/** The properties of a plan on which the text of the library depends. */
export interface LibraryProperties {
  readonly training: boolean;
  /** several adapters in a batch, each of blocks of rows */
  readonly many: boolean;
  /** each row has an adapter of its own */
  readonly rows: boolean;
  /** merges the adapter into the weights and unmerges it */
  readonly merging: boolean;
  /** some weights are packed */
  readonly packed: boolean;
  /** also kernels for devices with warpgroups */
  readonly warpgroups: boolean;
  /** calls of cuBLASLt, on buffers whose rows have borders */
  readonly library: boolean;
  /** over HIP's runtime */
  readonly hip: boolean;
}

/** What the text of a library depends on; `warpgroups`: some kernels need warpgroups. */
export const propertiesOf = (plan: KernelPlan, warpgroups: boolean): LibraryProperties => ({
  training: plan.purpose === 'train',
  many: plan.adapters > 1 && plan.mostRank === undefined,
  rows: plan.mostRank !== undefined,
  merging: plan.merging !== undefined,
  library: libraryCalls(plan).length > 0,
  packed: plan.buffers.some(({ dtype }) => dtype === 'u8'),
  warpgroups,
  hip: plan.device.api === 'hip',
});
