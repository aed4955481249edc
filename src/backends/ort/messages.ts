import type { DType } from '../../ir/dtype.js';
import type { GraphOptimization } from '../../options/words.js';
import type { NodeEp } from '../execution-providers.js';
import type { Config } from './config.js';

/** A tensor between the processes: little-endian packed bytes, or strings. */
export interface HostTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Uint8Array | readonly string[];
}

export type Feeds = Readonly<Record<string, HostTensor>>;
export type { GraphOptimization };
/** One piece of work: load a model and, with feeds, run it. */
export interface HostRequest {
  /** absolute */
  readonly path: string;
  /** what messages call the model */
  readonly label: string;
  readonly feeds: Feeds | null;
  /** outputs to compute; null: all, which must be tensors */
  readonly outputs: readonly string[] | null;
  readonly optimization: GraphOptimization;
  readonly provider: NodeEp;
  /** nodes that a WebGPU session leaves to the CPU */
  readonly onCpu: readonly string[];
  /** entries of ONNX Runtime's session configuration */
  readonly config: Config;
}

/** Our element types and ONNX Runtime's names for them. */
export const ORT_TYPES: ReadonlyMap<DType, string> = new Map<DType, string>([
  ['f64', 'float64'],
  ['f32', 'float32'],
  ['f16', 'float16'],
  ['i64', 'int64'],
  ['i32', 'int32'],
  ['i16', 'int16'],
  ['i8', 'int8'],
  ['u64', 'uint64'],
  ['u32', 'uint32'],
  ['u16', 'uint16'],
  ['u8', 'uint8'],
  ['bool', 'bool'],
  ['string', 'string'],
]);
