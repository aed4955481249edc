import type { AdapterSpec } from '../adapter/description.js';
import type { TensorData } from '../ir/tensor.js';

/** An adapter of another program: its layers have the names of modules, and it does not say which model file they are in. */
export interface ForeignAdapter {
  /** what it was read from, for messages */
  readonly file: string;
  /** `flat`: names have underscores in the places of dots */
  readonly names: 'dotted' | 'flat';
  readonly layers: readonly ForeignLayer[];
  /** parameters that replace those of the base */
  readonly weights: readonly ForeignWeight[];
  /** modules that the files hold and that have no effect, and why not */
  readonly leftOut: readonly { readonly module: string; readonly why: string }[];
}

/** The adapter of one module. */
export interface ForeignLayer {
  readonly module: string;
  readonly in: number;
  readonly out: number;
  readonly rank: number;
  /** with the scale of this layer */
  readonly spec: AdapterSpec;
  /** one per factor of `spec`; layers that share a factor have one object there */
  readonly factors: readonly TensorData[];
}

/** A parameter of a module as a whole. */
export interface ForeignWeight {
  readonly module: string;
  /** `weight`, `bias`, ... */
  readonly parameter: string;
  readonly data: TensorData;
}
