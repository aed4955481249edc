import type { NameSource, WeightLayout } from '../../adapter/saved-plan.js';
import type { Node, Value } from '../../ir/model.js';

/** One node that reads a site's weight. `via` are the Identity/Transpose/Cast nodes between the weight and the node. */
export interface SiteUse {
  readonly node: Node;
  /** the initializer, or the output of the Constant node, that stores the weight */
  readonly weight: Value;
  /** layout of the matrix as the node reads it: after `via` */
  readonly layout: WeightLayout;
  readonly via: readonly Node[];
}

/** One weight identity, however many nodes read it: one site, one core. */
export interface Site {
  /** the module path, or `ordinal` name when none is known; unique in the model */
  readonly id: string;
  readonly modulePath: string | null;
  readonly nameFrom: NameSource;
  /** further module paths of a tied weight */
  readonly aliases: readonly string[];
  readonly in: number;
  readonly out: number;
  readonly dtype: string;
  readonly uses: readonly SiteUse[];
}

/** A site after selection: its group and its extents r. */
export interface AdapterSite extends Site {
  readonly group: string;
  readonly rank: number;
}
