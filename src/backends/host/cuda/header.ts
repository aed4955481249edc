import type { ElementwiseDef } from '../../../train/optimizers/define.js';
import { runtimeText } from '../../runtime-text.js';
import { ADAPTERS_H } from './generated/runtime.js';
import { stepHeader } from './step.js';

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
}

/** adapters.h. `numbers`: definitions; `summary`: comment lines about the plan; `regions`, `groups`: one comment line each. */
export const headerText = (
  properties: LibraryProperties,
  optimizer: ElementwiseDef,
  numbers: readonly string[],
  summary: readonly string[],
  regions: readonly string[],
  groups: readonly string[],
): string =>
  runtimeText(
    ADAPTERS_H,
    { ...properties },
    { numbers, summary, regions, groups: properties.rows ? groups : [], ...stepHeader(optimizer) },
  );
