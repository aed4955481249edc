import { dtypeText } from '../../ir/dtype.js';
import { type Dim, sameShape, shapeText, type ValueType } from '../../ir/shape.js';

export interface Merged {
  readonly type: ValueType | null;
  /** the two statements cannot both be true */
  readonly contradiction: boolean;
}

/**
 * What follows from the graph, completed by what the file declares. Where both are known, the graph wins: declarations in
 * files become wrong when a tool changes the inputs. A declared extent is taken only where the graph leaves it unknown.
 */
export function mergeTypes(inferred: ValueType | null, declared: ValueType | null): Merged {
  if (!inferred || !declared) return { type: inferred ?? declared, contradiction: false };
  if (inferred.kind !== 'tensor' || declared.kind !== 'tensor') {
    // value_info may name a value without stating any type
    const silent = declared.kind === 'raw' && declared.proto.byteLength === 0;
    return { type: inferred, contradiction: inferred.kind !== declared.kind && !silent };
  }
  const dtype = inferred.dtype;
  let contradiction = dtype !== declared.dtype;
  if (!inferred.shape || !declared.shape) {
    const shape = inferred.shape ?? (contradiction ? null : declared.shape);
    return { type: same(declared, { kind: 'tensor', dtype, shape }), contradiction };
  }
  if (inferred.shape.length !== declared.shape.length) return { type: inferred, contradiction: true };
  const shape = inferred.shape.map((dim, k): Dim => {
    const stated = declared.shape![k]!;
    if (typeof dim === 'number' && typeof stated === 'number' && dim !== stated) contradiction = true;
    return dim ?? stated;
  });
  return { type: same(declared, { kind: 'tensor', dtype, shape }), contradiction };
}

/** `declared` itself when `merged` says the same: it keeps the bytes it was read from. */
function same(declared: ValueType, merged: ValueType): ValueType {
  if (declared.kind !== 'tensor' || merged.kind !== 'tensor' || declared.dtype !== merged.dtype)
    return merged;
  if (declared.shape === null || merged.shape === null)
    return declared.shape === merged.shape ? declared : merged;
  return sameShape(declared.shape, merged.shape) ? declared : merged;
}

/** `float[2,seq]`, for messages. */
export function shortTypeText(type: ValueType): string {
  return type.kind === 'tensor' ? `${dtypeText(type.dtype)}${shapeText(type.shape)}` : 'no tensor';
}
