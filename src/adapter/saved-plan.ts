import type { Carry, ShareRule } from '../options/words.js';
import { type AdapterSpec, type Init, wrapOf } from './description.js';
import { deltaTerm, spansResult } from './terms.js';

/** The plan that is saved in a rewritten file and in adapter files. In what two files must agree: agreement.ts. */

export type { Carry, ShareRule };
export type Lowering = 'fold' | 'token' | 'dense';
/** Types other than float32 that factors are stored in. */
export type FactorDType = 'f16' | 'bf16';

/** Where a site's module path was found, in the order of preference. */
export type NameSource =
  | 'name_scopes'
  | 'onnxscript_scopes'
  | 'namespace'
  | 'folded_from'
  | 'weight'
  | 'bias'
  | 'node'
  | 'ordinal';

/** `io`: W is (in, out) as in MatMul; `oi`: (out, in) as in Gemm with transB=1. */
export type WeightLayout = 'io' | 'oi';

export const PLAN_KEY = 'lotrc.adapters';

/** `metadata_props["lotrc.adapters"]`: what lets a rewritten file be inspected, merged, extracted and re-ranked. */
export interface SavedPlan {
  /**
   * 2 where `weights` has rows: what reads version 1 alone would leave the trained weights out; 3 where a description says
   * more than those of version 1 could; 4 where it has a wrap, or a delta with an axis that is split or that no factor has
   */
  readonly version: 1 | 2 | 3 | 4;
  readonly plans: readonly PlanRow[];
  /** weights of the base that were trained in full (`--also-train`) and belong to the adapter */
  readonly weights?: readonly WeightRow[];
}

/** A weight of the base that was trained in full: one parameter, wherever the base stores it. */
export interface WeightRow {
  /** name of its tensor in adapter files, which is the name of the first place */
  readonly name: string;
  readonly shape: readonly number[];
  /** where the base stores it; more than one for a tied weight that an exporter wrote several times */
  readonly places: readonly WeightPlace[];
}

interface WeightPlace {
  /** name of the initializer, or of the output of the Constant node */
  readonly tensor: string;
  /** of the data that the base has there */
  readonly digest: string;
  /** the base stores the transpose of the matrix there; never in the first place */
  readonly transposed: boolean;
}

export interface PlanRow {
  readonly spec: AdapterSpec;
  readonly share: ShareRule;
  readonly carry: Carry;
  readonly lowering: Lowering | 'function';
  readonly seed: number;
  /** the weights named here are what was left after the initial factors took their leading part (init `svd`) */
  readonly residual?: true;
  /** the model stores the factors in this type; absent: float32 */
  readonly factorDType?: FactorDType;
  readonly groups: readonly GroupRow[];
  readonly sites: readonly SiteRow[];
}

export interface GroupRow {
  readonly id: string;
  readonly in: number;
  readonly out: number;
  readonly rank: number;
  /** factors shared by the group: factor name -> tensor name (R -> "lotr/128x128/R") */
  readonly factors: Readonly<Record<string, string>>;
}

export interface SiteRow {
  readonly id: string;
  readonly modulePath: string | null;
  readonly nameFrom: NameSource;
  readonly aliases: readonly string[];
  readonly group: string;
  /** all other factors: factor name -> tensor name (M -> "lotr/encoder.q/M"); sites that share one name one tensor */
  readonly factors: Readonly<Record<string, string>>;
  /** one per node that reads the weight */
  readonly uses: readonly SiteUseRow[];
}

export interface SiteUseRow {
  /** name of the base node (may be empty) */
  readonly node: string;
  /** name of the adapted output value: unique in its graph, so nodes without names are found by it */
  readonly output: string;
  readonly op: string;
  readonly weight: string;
  readonly digest: string;
  readonly layout: WeightLayout;
  /** storage is transposed against the layout the node reads (a Transpose lies between) */
  readonly transposed: boolean;
}

/** The version of a plan: the oldest one that says everything in it. */
export function planVersion(plans: readonly PlanRow[], weights: readonly WeightRow[]): SavedPlan['version'] {
  if (
    plans.some(
      ({ spec }) => wrapOf(spec) !== 'add' || !spansResult(deltaTerm(spec.delta)) || hasExtentWords(spec),
    )
  )
    return 4;
  if (plans.some(({ spec, lowering }) => lowering === 'dense' || saysMore(spec))) return 3;
  return weights.length > 0 ? 2 : 1;
}

const hasExtentWords = ({ extents = {} }: AdapterSpec): boolean =>
  Object.values(extents).some((extent) => typeof extent !== 'number');

function saysMore({ extents, factors }: AdapterSpec): boolean {
  return (
    extents !== undefined ||
    factors.some(
      ({ share, mode, slice, init }) =>
        !['site', 'group'].includes(share) || mode === 'seeded' || slice === true || !isOldInit(init),
    )
  );
}

function isOldInit(init: Init): boolean {
  if (typeof init === 'string') return init === 'zeros' || init === 'eye';
  return 'normal' in init || 'fanIn' in init || ('svd' in init && init.power === undefined);
}
