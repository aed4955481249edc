import type { OrtFeeds, OrtTensor } from '../../backends/ort/tensor.js';
import { bare } from '../../ir/keys.js';
import type { GraphName } from '../signature.js';
import type { NodeJob } from './node-sessions.js';
import type { Shapes } from './tensor-row.js';

/** Tensors on their way: names come from files, and objects that travel get a prototype. */
export type SentTensors = ReadonlyMap<string, OrtTensor>;

/** What the process that runs graphs is asked, one call after another; the first is `open`. */
export type RunnerCall =
  | { readonly call: 'open'; readonly job: NodeJob }
  /** holds tensors of zeros, which `write` fills */
  | { readonly call: 'load'; readonly shapes: Shapes }
  | {
      readonly call: 'write';
      readonly names: readonly string[];
      readonly start: number;
      readonly values: Float32Array;
    }
  | { readonly call: 'shapes'; readonly names: readonly string[] | null }
  | {
      readonly call: 'read';
      readonly names: readonly string[];
      readonly start: number;
      readonly end: number;
    }
  | {
      readonly call: 'run';
      readonly graph: GraphName;
      readonly feeds: SentTensors;
      readonly outputs: readonly string[];
    }
  | { readonly call: 'addUp'; readonly batches: readonly SentTensors[] }
  | { readonly call: 'readSum' }
  | { readonly call: 'writeSum'; readonly values: Float64Array }
  | {
      readonly call: 'apply';
      readonly weight: number;
      readonly scalars: SentTensors;
      readonly outputs: readonly string[];
    }
  | { readonly call: 'close' };

export function sent(tensors: OrtFeeds): SentTensors {
  return new Map(
    Object.entries(tensors).map(([name, tensor]) => [name, { ...tensor, data: plain(tensor.data) }]),
  );
}

/** Float16Array, where there is one, does not travel: its bits do. */
function plain(data: OrtTensor['data']): OrtTensor['data'] {
  return data.constructor.name === 'Float16Array'
    ? new Uint16Array(data.buffer, data.byteOffset, data.length)
    : data;
}

/** What was sent, in memory of its own: where in a message a tensor lies has no influence on how it is computed with. */
export function received(tensors: SentTensors): OrtFeeds {
  return bare([...tensors].map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }]));
}
