import type { Carried } from './carried.js';
import type { Graph } from './model.js';
import type { TensorData } from './tensor.js';

/** `number` when it is a safe integer, else `bigint`; protobuf's Long never leaves `ir/onnx`. */
export type Int = number | bigint;

/**
 * A node attribute. `kind` is the ONNX attribute type, so that 1 (int) and 1 (float) stay apart.
 * `ref`, in function bodies, refers to an attribute of the calling node. `raw` is kept as bytes and not interpreted
 * (type_proto, sparse tensors, types of the future): `type` is the AttributeProto.type number.
 */
export type Attr =
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: Int }
  | { readonly kind: 'string'; readonly value: Uint8Array }
  | { readonly kind: 'tensor'; readonly value: TensorData }
  | { readonly kind: 'graph'; readonly value: Graph }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'ints'; readonly value: readonly Int[] }
  | { readonly kind: 'strings'; readonly value: readonly Uint8Array[] }
  | { readonly kind: 'tensors'; readonly value: readonly TensorData[] }
  | { readonly kind: 'graphs'; readonly value: readonly Graph[] }
  | { readonly kind: 'ref'; readonly name: string; readonly type: number }
  | { readonly kind: 'raw'; readonly type: number };

export type AttrKind = Attr['kind'];

/** An attribute as a node holds it: its value and, when it was read, the bytes of its AttributeProto. */
export type HeldAttr = Attr & { readonly docString?: string; readonly carried?: Carried };

const utf8 = new TextDecoder('utf-8', { fatal: false });
const toUtf8 = new TextEncoder();

export const attrInt = (value: Int): Attr => ({ kind: 'int', value });
export const attrInts = (value: readonly Int[]): Attr => ({ kind: 'ints', value });
export const attrFloat = (value: number): Attr => ({ kind: 'float', value: Math.fround(value) });
export const attrString = (value: string): Attr => ({ kind: 'string', value: toUtf8.encode(value) });
export const attrTensor = (value: TensorData): Attr => ({ kind: 'tensor', value });

/** The text of a string attribute. */
export function attrText(value: Uint8Array): string {
  return utf8.decode(value);
}

/** The graphs that an attribute holds, in order. */
export function attrGraphs(attr: Attr): readonly Graph[] {
  if (attr.kind === 'graph') return [attr.value];
  return attr.kind === 'graphs' ? attr.value : NO_GRAPHS;
}

const NO_GRAPHS: readonly Graph[] = [];
