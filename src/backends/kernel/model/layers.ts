import type { Agreement } from '../../../adapter/agreement.js';
import type { Share } from '../../../adapter/description.js';
import type { FormSide, KernelForm } from '../../../adapter/kernel-form.js';
import type { CodeTable } from '../../../ir/ops/core/code-tables.js';
import type { Activation, KernelDtype } from './types.js';

/** What the adapted layers of a model compute: the input of contraction planning. */

/** A tensor of the model and the type of its elements. */
interface Stored<T> {
  readonly name: string;
  readonly dtype: T;
}

/** How a weight (out, in) is packed (see Packed in types.ts), with the names of what belongs to it. */
export interface WeightPacking {
  readonly bits: 4 | 8;
  readonly table: CodeTable | null;
  readonly block: number;
  readonly scales: Stored<KernelDtype>;
  readonly zeros: Stored<KernelDtype | 'u8'> | null;
}

/** One use of one adapted weight: y = act(x W + b + s x D), D by the einsum of its group. */
export interface AdaptedLayer {
  /** the site, with `#2`, `#3` for further uses of a tied weight */
  readonly id: string;
  readonly site: string;
  readonly group: string;
  readonly in: number;
  readonly out: number;
  /** columns of P = x down: the rank, unless the description says otherwise */
  readonly rank: number;
  /** names of the factor tensors in the order of the description: R, M, L or A, B */
  readonly factors: readonly string[];
  /** what x is multiplied by: a factor, or a name for what is computed of some. Layers of one name have it in common */
  readonly down: string;
  /** the layers of a region may each have their own, side by side */
  readonly beside: boolean;
  /** name of the stored weight */
  readonly weight: string;
  /** `io`: stored (in, out); `oi`: (out, in) */
  readonly weightStored: 'io' | 'oi';
  /** null: its numbers are stored as they are */
  readonly packed: WeightPacking | null;
  /** names of the values that the layer reads and gives, before what can be fused */
  readonly x: string;
  readonly y: string;
  readonly bias: string | null;
  /** follows the layer (and its bias) and is its only reader */
  readonly activation: Activation | null;
  /** the values that a kernel gives: with bias, and with bias and activation */
  readonly biasedOutput: string;
  readonly fusedOutput: string;
}

/**
 * Layers of a group that read the same x. If they multiply it by the same, P = x down is computed once; factors of
 * their own lie side by side and P = x [F F' ...] is still one launch that reads x once.
 */
export interface LayerRegion {
  /** module paths in short: `layer.0.attention.{q,k,v}` */
  readonly label: string;
  readonly group: string;
  readonly x: string;
  /** number of x among the inputs of all regions: regions of other groups may read it too */
  readonly input: number;
  readonly in: number;
  readonly rank: number;
  /** what x is multiplied by, each once */
  readonly downs: readonly string[];
  readonly layers: readonly AdaptedLayer[];
}

/** One factor of a group's layers. */
export interface GroupFactor {
  readonly name: string;
  readonly share: Share;
  /** of its tensors; a layer may read a leading part */
  readonly shape: readonly number[];
  /** the shape of the tensors themselves where `shape` has room for more: the rest is zero */
  readonly own?: readonly number[];
  /** each once: one for a shared factor, one per site, in the order of the sites, for their own */
  readonly tensors: readonly string[];
  /** false: the factor is frozen, and its gradient is not computed */
  readonly trainable: boolean;
  /** multiplies the learning rate of a step */
  readonly lrMultiplier: number;
}

export interface Group {
  readonly id: string;
  readonly method: string;
  readonly delta: string;
  readonly form: KernelForm;
  /** of the letters of delta */
  readonly extents: Readonly<Record<string, number>>;
  /** those of the model, where a rank has room for more */
  readonly unpadded?: Readonly<Record<string, number>>;
  readonly in: number;
  readonly out: number;
  readonly rank: number;
  /** s: the factor by which the product of the factors is multiplied */
  readonly scale: number;
  /** in the order of the description */
  readonly factors: readonly GroupFactor[];
  readonly sites: readonly string[];
}

export interface Skipped {
  readonly layer: string;
  readonly because: string;
}

export interface AdaptedLayers {
  /** what adapter files for them agree in */
  readonly description: readonly Agreement[];
  /** type in which the layers compute */
  readonly dtype: KernelDtype;
  readonly groups: readonly Group[];
  readonly regions: readonly LayerRegion[];
  /** adapted layers that stay as they are, with the reason */
  readonly skipped: readonly Skipped[];
}

/** Whether the layers of a group may each have their own instance of a factor. */
const ofSites = ({ share }: Pick<GroupFactor, 'share'>): boolean => share !== 'group' && share !== 'model';

/** Whether a side of a form differs from site to site of a group. */
export const variesBySite = (
  { operands }: FormSide,
  factors: readonly Pick<GroupFactor, 'share'>[],
): boolean => operands.some((k) => ofSites(factors[k]!));
