import type { AdapterSpec } from '../adapter/description.js';
import { foreignLayersLeftOut } from '../ir/codes/interop.js';
import type { Diagnostic } from '../ir/diagnostics.js';
import type { TensorData } from '../ir/tensor.js';

/** An adapter of another program: its layers have the names of modules, and it does not say which model file they are in. */
export interface ForeignAdapter {
  /** what it was read from, for messages */
  readonly file: string;
  /** `flat`: names have underscores in the places of dots; `ends`: module paths have more in front of them */
  readonly names: 'dotted' | 'flat' | 'ends';
  readonly layers: readonly ForeignLayer[];
  readonly stacks: readonly ForeignStack[];
  /** parameters that replace those of the base */
  readonly weights: readonly ForeignWeight[];
  /** modules that the files hold and that have no effect, and why not */
  readonly leftOut: readonly { readonly module: string; readonly why: string }[];
}

/** The adapter of one module. */
export interface ForeignLayer {
  readonly module: string;
  /** null where the tensors do not say: any extent of a layer fits */
  readonly in: number | null;
  readonly out: number | null;
  readonly rank: number;
  /** with the scale of this layer */
  readonly spec: AdapterSpec;
  /** one per factor of `spec`; layers that share a factor have one object there. None where `inPlace` gives them */
  readonly factors: readonly TensorData[];
  /** description and factors in a layer of such extents, where they depend on it; or why the adapter does not fit there */
  readonly inPlace?: (layer: {
    readonly in: number;
    readonly out: number;
  }) => Pick<ForeignLayer, 'spec' | 'factors'> | string;
  /** of a convolution: channels and window, whose product is `in` */
  readonly window?: readonly number[];
  readonly expert?: ExpertOf;
}

/** Of a matrix of stacked experts: which one of which parameter it is. */
export interface ExpertOf {
  /** with the module: `model.layers.0.mlp.experts.down_proj` */
  readonly parameter: string;
  readonly number: number;
  /** how many experts the parameter has, where that is known */
  readonly of: number | null;
  /** how the model stores the matrices */
  readonly lies: 'io' | 'oi';
  /** modules have their parameters in this order; null: not known without the model */
  readonly place: number | null;
}

/**
 * LoRA of parameters of a module that hold the matrices of several experts each. Which pair is that of which parameter follows from their
 * shapes, which a model says.
 */
export interface ForeignStack {
  readonly module: string;
  readonly parameters: readonly {
    readonly name: string;
    /** of one expert */
    readonly rank: number;
    readonly spec: AdapterSpec;
  }[];
  /** (experts, rank, side) as a matrix, and (other side, rank, experts) as one */
  readonly pairs: readonly { readonly a: TensorData; readonly b: TensorData }[];
  /** which side `a` is on where matrices are square: that of the inputs where they lie as (out, in), or nobody knows */
  readonly squares: 'in of (out, in)' | 'unknown';
}

/** A parameter of a module as a whole. */
export interface ForeignWeight {
  readonly module: string;
  /** `weight`, `bias`, ... */
  readonly parameter: string;
  readonly data: TensorData;
}

/** What to say of modules that are left out; nothing where there are none. */
export function leftOutOf({ file, leftOut }: ForeignAdapter): readonly Diagnostic[] {
  return leftOut.length > 0 ? [foreignLayersLeftOut({ file, modules: leftOut })] : [];
}
