import { dtypeToOnnx } from '../dtype.js';
import type { TensorData } from '../tensor.js';
import { labelOf } from '../tensor-label.js';
import { ProtoMessage } from './encode.js';

/** Where a tensor's elements go: into the message, or to a place in a file named relative to the output. */
export type Placement =
  | { readonly kind: 'inline' }
  | { readonly kind: 'external'; readonly entries: readonly (readonly [string, string])[] };

/** A TensorProto. Name, documentation, metadata and unknown fields of a tensor that was read travel along. */
export function encodeTensor(name: string, data: TensorData, placement: Placement): ProtoMessage {
  const out = new ProtoMessage();
  for (const dim of data.shape) out.int(1, dim);
  out.int(2, dtypeToOnnx(data.dtype));
  if (data.dtype === 'string') for (const item of data.strings()) out.bytes(6, item);
  out.text(8, name);
  if (data.dtype !== 'string' && placement.kind === 'inline') out.payload(9, data);
  const { docString, metadata } = labelOf(data);
  out.text(12, docString);
  if (placement.kind === 'external') {
    for (const [key, value] of placement.entries) out.entry(13, key, value);
    out.int(14, 1);
  }
  for (const [key, value] of data.carried?.metadata ?? metadata) out.entry(16, key, value);
  return out.raw(data.carried?.unknown ?? []);
}
