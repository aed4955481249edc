// #if EMIT_SOURCE
/**
 * What model.ts has of a model, as far as its runtime sees it: types of the tables that `../segments/` writes. Only the source of the
 * runtime imports it; in an emitted module they are in one file.
 */

export declare const SEGMENTS: readonly Segment[];
export declare const INPUTS: readonly string[];
export declare const OUTPUTS: readonly string[];
export declare const TRAINED: readonly string[];
export declare const AGREED: readonly Agreement[];
export declare const WEIGHTS_FILE: string;

// #endif
/** Something that the plan of an adapter file says: where each of its rows says it (`*`: each entry of a list), and what. */
interface Agreement {
  readonly name: string;
  readonly at: readonly (readonly string[])[];
  readonly is: readonly (readonly unknown[])[];
}

/** A part of the model, which a session of its own computes. */
export interface Segment {
  /** an ONNX model; null where there is nothing to compute */
  readonly file: string | null;
  /** values that it reads and gives; `kept`: those that stay on the device */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly kept: readonly string[];
  /** the layers that run after it, by their index in REGIONS, with the values that they read and give */
  readonly regions: readonly { readonly index: number; readonly x: string; readonly y: readonly string[] }[];
}
