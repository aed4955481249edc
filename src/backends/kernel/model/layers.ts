import type { Activation, KernelDtype } from './types.js';

/** What the adapted layers of a model compute: the input of contraction planning. */

/** One use of one adapted weight: y = act(x W + b + s x F_1 ... F_n). */
export interface AdaptedLayer {
  /** the site, with `#2`, `#3` for further uses of a tied weight */
  readonly id: string;
  readonly site: string;
  readonly group: string;
  readonly in: number;
  readonly out: number;
  readonly rank: number;
  /** names of the factor tensors in order: R, M, L or A, B */
  readonly factors: readonly string[];
  /** name of the stored weight */
  readonly weight: string;
  /** `io`: stored (in, out); `oi`: (out, in) */
  readonly weightStored: 'io' | 'oi';
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
 * Layers of a group that read the same x. With a shared first factor P = x F_1 is computed once; with first factors of
 * their own, these are side by side and P = x [F_1 F_1' ...] is still one launch that reads x once.
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
  /** first factors, each once */
  readonly downs: readonly string[];
  readonly layers: readonly AdaptedLayer[];
}

/** One factor of a group's layers. */
export interface GroupFactor {
  readonly name: string;
  readonly shared: boolean;
  readonly tensors: readonly string[];
  /** false: the factor is frozen, and its gradient is not computed */
  readonly trainable: boolean;
  /** multiplies the learning rate of a step */
  readonly lrMultiplier: number;
}

export interface Group {
  readonly id: string;
  readonly method: string;
  readonly in: number;
  readonly out: number;
  readonly rank: number;
  /** s: the factor by which the product of the factors is multiplied */
  readonly scale: number;
  /** `tensors`: one for a shared factor, else one per site in the order of `sites` */
  readonly factors: readonly GroupFactor[];
  readonly sites: readonly string[];
}

export interface Skipped {
  readonly layer: string;
  readonly because: string;
}

export interface AdaptedLayers {
  /** type in which the layers compute */
  readonly dtype: KernelDtype;
  readonly groups: readonly Group[];
  readonly regions: readonly LayerRegion[];
  /** adapted layers that stay as they are, with the reason */
  readonly skipped: readonly Skipped[];
}
